"""swaplab completion: shell scripts for Tab completion, and the candidates that they request."""

from collections.abc import Sequence

from swaplab.cli.shells import SCRIPTS
from swaplab.errors import UserError

HELP = """
swaplab completion: complete subcommands, keys, options, runs and ablations with Tab.

Add the line for your shell to its startup file:

  swaplab completion bash          ~/.bashrc:                   eval "$(swaplab completion bash)"
  swaplab completion zsh           ~/.zshrc:                    eval "$(swaplab completion zsh)"
  swaplab completion fish          ~/.config/fish/config.fish:  swaplab completion fish | source
"""
WORDS = "words"  # swaplab completion words WORD...: the request of the scripts


def run(words: Sequence[str]) -> None:
    """Print the script of a shell, or the candidates for the last word."""
    from swaplab.cli.candidates import candidates

    if words[:1] == [WORDS]:
        print("\n".join(candidates(list(words[1:]) or [""])))
    elif len(words) == 1 and words[0] in SCRIPTS:
        print(SCRIPTS[words[0]].strip())
    else:
        raise UserError(f"give the name of your shell: swaplab completion {' | '.join(SCRIPTS)}")
