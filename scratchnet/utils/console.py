"""Where messages go: standard output, at once."""

import sys

from scratchnet.distributed.world import leads

__all__ = ["print_msg"]


def print_msg(message: object, line_break: bool = True) -> None:
    """Write a message and show it at once; "━" becomes "=" where the terminal's encoding lacks it.
    Of many ranks the first one writes.

    source    keras/src/utils/io_utils.py
    """
    if not leads():
        return
    text = f"{message}\n" if line_break else str(message)
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.replace("━", "=").encode(encoding, errors="ignore").decode(encoding))
    sys.stdout.flush()
