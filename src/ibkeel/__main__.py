"""`python -m ibkeel` is `ibkeel`."""

from ibkeel.cli import main

if __name__ == "__main__":
    main()
