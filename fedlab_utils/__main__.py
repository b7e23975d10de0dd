"""`python -m fedlab_utils`: the command line."""

import sys

from fedlab_utils.measuring.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
