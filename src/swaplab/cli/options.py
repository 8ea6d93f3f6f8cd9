"""swaplab options: what can be switched, read from the installed config tree."""

from collections.abc import Iterable, Sequence

from swaplab.cli.tables import show
from swaplab.config import tree
from swaplab.errors import UserError

HELP = """
swaplab options: list every switch of `swaplab train`: groups, their options, what each does, its source and its keys.

  swaplab options                        every group
  swaplab options adversarial            the options of a group
  swaplab options adversarial lsgan      one option with its keys
  swaplab options keys                   the keys that belong to no group

Choose an option with GROUP=OPTION and set a key with KEY=VALUE, as in `swaplab train norm=group norm.groups=4`.
"""
KEYS_PAGE = "keys"


def run(words: Sequence[str]) -> None:
    """Print what the words name."""
    if len(words) == 1 and "=" in words[0]:
        words = words[0].split("=", 1)
    if len(words) > 2:
        raise UserError(f"options takes a group and an option, {len(words)} words given; see --help")
    if not words:
        show_groups()
    elif words == [KEYS_PAGE]:
        show_keys(tree.keys_of(tree.root() / "train.yaml"))
    elif len(words) == 1:
        show_group(words[0])
    else:
        show_option(tree.option(*words))


def show_groups() -> None:
    """Every group: what it decides, what a run has without a word, its options."""
    rows = []
    for group, names in tree.groups().items():
        default, what = tree.chosen().get(group, ("", ""))
        listed = ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:4])}, ... {len(names)} in all"
        rows.append((group, default, f"{what}\n{listed}" if what else listed))
    show(("group", "default", "what it decides; options"), rows)
    print(f"\nswaplab options GROUP explains the options of a group, swaplab options {KEYS_PAGE} the other keys.")


def show_group(group: str) -> None:
    """Every option of a group."""
    tree.check_group(group)
    default, what = tree.chosen().get(group, ("", ""))
    options = [tree.option(group, name) for name in tree.groups()[group]]
    print(f"{group}: {what}" if what else group)
    marked = [(f"{o.name} *" if o.name == default else o.name, o.what, o.source) for o in options]
    show(("option", "what it does", "source"), marked)
    star = "* the default\n" if default else ""
    print(f"\n{star}swaplab train {group}=OPTION chooses one; swaplab options {group} OPTION shows its keys.")


def show_option(option: tree.Option) -> None:
    """One option: all that its file and its classes say, and its keys."""
    print(f"{option.group}={option.name}\n\n{option.text}\n")
    if option.source:
        print(f"source: {option.source}\n")
    if option.keys:
        show_keys(option.keys)


def show_keys(keys: Iterable[tree.Key]) -> None:
    """Keys with their values and meanings."""
    show(("key", "default", "meaning"), [(key.name, key.value, key.meaning) for key in keys])
