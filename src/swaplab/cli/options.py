"""swaplab options: groups, options and keys of the installed config tree."""

from collections.abc import Iterable, Sequence

from swaplab.config import tree
from swaplab.errors import UserError
from swaplab.tables import show

HELP = """
swaplab options: list every switch of `swaplab train`: groups and their options with description, source and keys.

  swaplab options                        all groups
  swaplab options norm                   the options of a group, and the groups below it
  swaplab options loss/adversarial lsgan one option with its keys
  swaplab options keys                   the keys outside of groups

Choose an option with GROUP=OPTION and set a key with KEY=VALUE, as in `swaplab train norm=group norm.groups=4`.
"""
KEYS_PAGE = "keys"


def run(words: Sequence[str]) -> None:
    """Print all groups, a group, an option, or the keys outside of groups."""
    if len(words) == 1 and "=" in words[0]:
        words = words[0].split("=", 1)
    if len(words) > 2:
        raise UserError(f"options takes a group and an option, but {len(words)} words were given; see --help")
    if not words:
        show_groups()
    elif words == [KEYS_PAGE]:
        show_keys(tree.keys_of(tree.root() / "train.yaml"))
    elif len(words) == 1:
        show_group(words[0])
    else:
        show_option(tree.option(*words))


def show_groups() -> None:
    """All groups with description, default and options."""
    show_table(tree.groups())
    print(f"\nswaplab options GROUP describes the options of a group, swaplab options {KEYS_PAGE} the other keys.")


def show_table(groups: Iterable[str]) -> None:
    """Groups with description, default and options."""
    rows = []
    for group in groups:
        (default, what), names = tree.described(group), tree.groups()[group]
        listed = ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:4])}, ... ({len(names)} options)"
        rows.append((group, default, f"{what}\n{listed}" if what else listed))
    show(("group", "default", "description and options"), rows)


def show_group(group: str) -> None:
    """All options of a group, then the groups below it."""
    tree.check_group(group)
    if group in tree.groups():
        show_own(group)
    if tree.below(group):
        print(f"\nbelow {group}:" if group in tree.groups() else f"below {group}:")
        show_table(tree.below(group))


def show_own(group: str) -> None:
    """All options of a group."""
    default, what = tree.described(group)
    options = [tree.option(group, name) for name in tree.groups()[group]]
    print(f"{group}: {what}" if what else group)
    marked = [(f"{o.name} *" if o.name == default else o.name, o.what, o.source) for o in options]
    show(("option", "what it does", "source"), marked)
    star = "* default\n" if default else ""
    print(f"\n{star}swaplab train {group}=OPTION selects one; swaplab options {group} OPTION shows its keys.")


def show_option(option: tree.Option) -> None:
    """One option: the text of its file and its classes, and its keys."""
    print(f"{option.group}={option.name}\n\n{option.text}\n")
    if option.source:
        print(f"source: {option.source}\n")
    if option.keys:
        show_keys(option.keys)


def show_keys(keys: Iterable[tree.Key]) -> None:
    """Keys with default and meaning."""
    show(("key", "default", "meaning"), [(key.name, key.value, key.meaning) for key in keys])
