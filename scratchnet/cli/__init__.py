"""The command line: `scratchnet train cnn --data digits`, one file for each group of commands.

Errors are one line on standard error. Exit code 0: done; 1: it failed, or what must agree differs;
2: wrong use; 130: stopped by Ctrl-C.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from scratchnet.cli.compare import compare, parity, reproduce
from scratchnet.cli.convert import convert
from scratchnet.cli.doctor import doctor
from scratchnet.cli.race import race
from scratchnet.cli.train import evaluate, predict, train

__all__ = ["cli", "main"]

FAILURES = (ValueError, TypeError, OSError, NotImplementedError, ImportError, RuntimeError)


class CommandLine(click.Group):
    """A group whose errors are one line, without a traceback."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **options: Any) -> Any:
        """Run a command and end the program with its exit code."""
        options |= {"prog_name": "scratchnet", "standalone_mode": False}
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a terminal that cannot show a sign gets "?"
                stream.reconfigure(errors="replace")
        try:
            code = super().main(args, **options)
            sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            code = 2
        except click.ClickException as error:
            code = _fail(error.format_message(), error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            code = _fail("Stopped.", 130)
        except BrokenPipeError:
            # whoever read us has seen enough (`| head`): what is left to flush goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 128 + 13
        except FAILURES as error:
            code = _fail(f"{error}" or type(error).__name__, 1)
        sys.exit(code or 0)


def _fail(message: str, code: int) -> int:
    click.echo(f"Error: {' '.join(message.split())}" if code != 130 else message, err=True)
    return code


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="scratchnet", message="scratchnet %(version)s")
def cli() -> None:
    """A neural-network engine written by hand, and its comparison with Keras."""


for command in (train, evaluate, predict, convert, parity, compare, race, reproduce, doctor):
    cli.add_command(command)


def main() -> None:
    """What the console script calls."""
    cli.main()
