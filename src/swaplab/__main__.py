"""``python -m swaplab``, the same as the command ``swaplab``."""

from swaplab.cli.main import main

if __name__ == "__main__":
    main()
