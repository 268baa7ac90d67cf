"""`python -m pawsight`: the command line, where the script is not on the path."""

from pawsight.cli import main

if __name__ == "__main__":
    main()
