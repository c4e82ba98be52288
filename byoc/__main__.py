"""`python -m byoc` is `byoc`."""

from byoc.cli import main

if __name__ == "__main__":
    main(prog_name="byoc")
