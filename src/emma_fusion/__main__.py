"""`python -m emma_fusion` is the command line."""

from emma_fusion.cli import main

if __name__ == "__main__":
    main()
