"""Print the salt with which the predecessor of this workflow hashed addresses.

    export IP_HASH_SALT=$(.venv/bin/python scripts/hash_salt.py RAW_LOGS)

It is the SHA-1, in hexadecimal, of the first line, newline included, of the raw log of 2019-10-01.
"""

import argparse
import hashlib
import sys
from pathlib import Path

from _log import UserError
from _raw_logs import blocks

DAY = Path("2019/10/01")
FORMS = (".log", ".log.gz", ".log.zst", "")


def find_log(raw_logs: Path) -> Path:
    """The raw log of the day that the salt comes from, in whichever form it is there.

    Raises:
        UserError: It is not there.
    """
    for form in FORMS:
        path = raw_logs / DAY.parent / f"{DAY.name}{form}"
        if path.exists():
            return path
    raise UserError(
        f"{raw_logs / DAY}.log is missing, also as .log.gz, .log.zst and as a folder: without the "
        "raw log of that day the salt cannot be found."
    )


def hash_salt(raw_logs: Path) -> str:
    """The salt, 40 hexadecimal digits.

    Raises:
        UserError: The log of 2019-10-01 is missing, empty or cannot be read.
    """
    path = find_log(raw_logs)
    for block in blocks(path):
        first, newline, _ = block.content.partition(b"\n")
        return hashlib.sha1(first + newline).hexdigest()
    raise UserError(f"{path} is empty, so the salt cannot be found.")


def main(arguments: list[str] | None = None) -> None:
    """Print the salt of the raw logs named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("raw_logs", type=Path, metavar="RAW_LOGS", help="folder of the raw logs")
    try:
        print(hash_salt(parser.parse_args(arguments).raw_logs))
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
