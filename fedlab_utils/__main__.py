"""`python -m fedlab_utils`: the command line. `measure` for a reader's own model, `collect` for a teacher's class."""

import sys


def main(arguments: list[str]) -> int:
    """Run a command; returns its exit code."""
    from fedlab_utils.measuring import command

    if arguments[:1] in (["-h"], ["--help"]):
        print("usage: python -m fedlab_utils {measure,collect} …, each with --help: measure, your own checkpoints through every\n"
              "codec; collect, a class's reports as one table")  # fmt: skip
        return 0
    if arguments[:1] == ["collect"]:
        from fedlab_utils.book import class_table

        command.speak()
        return class_table.main(arguments[1:])
    return command.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
