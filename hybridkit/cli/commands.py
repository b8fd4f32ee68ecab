"""The command `hybridkit`: arguments in, an exit code out; every error that a user can fix is one message."""

import argparse
import errno
import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from hybridkit import __version__
from hybridkit.cli import data_commands, evaluate, inspect, project, study_commands, train
from hybridkit.cli.options import CommandResult, write_json
from hybridkit.errors import InputError, TroubleError, readable
from hybridkit.utils.extras import missing_extra
from hybridkit.utils.naming import meant

INPUT, TROUBLE, STOPPED, PIPE = 2, 1, 130, 141  # exit codes; the last two are those of shells for SIGINT and SIGPIPE
_PATHS = (
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)
_WRONG = re.compile(r"invalid choice: '([^']*)'|unrecognized arguments:.*?(--[\w-]+)")
_EPILOG = """examples:
  hybridkit run quick                         every table and figure of the quick study
  hybridkit init shop --rows faq.csv          a project of your own, with a study on your rows
  hybridkit inspect quick                     see why its models rank as they do, in JupyterLab
  hybridkit data check mine.jsonl             is a file of your own fit for training?
  hybridkit evaluate --model e5-small --benchmark xquad-r
  hybridkit COMMAND --help                    the options of a command, with examples

the shell completes commands, options and names: eval "$(register-python-argcomplete hybridkit)"

exit codes: 0 success, 1 trouble with the machine, 2 wrong input, 130 stopped by ctrl-C"""


class _Parser(argparse.ArgumentParser):
    """argparse's, whose errors are as short as the kit's, in its words, and name the help."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and where help is, and exit with code 2."""
        message = message.replace("invalid int value:", "must be a whole number, not")
        message = message.replace("invalid float value:", "must be a number, not")
        if wrong := _WRONG.search(message):
            message = message[: wrong.end()] + meant(wrong[wrong.lastindex or 0], _words(self)) + message[wrong.end() :]
        super().error(f"{readable(message)}; see `{self.prog} --help`")


def _words(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Every command and option of a parser and of those below it."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield name
                yield from _words(below)


def parser() -> argparse.ArgumentParser:
    """Declare every command."""
    made = _Parser(
        prog="hybridkit",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        description="How should the batches be made when a multilingual encoder is fine-tuned for retrieval?",
    )
    made.add_argument("--version", action="version", version=f"hybridkit {__version__}")
    commands = made.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for group in (project, study_commands, inspect, train, evaluate, data_commands):
        group.add(commands)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit code: 0 only on success.

    Wrong input is one message on stderr (exit code 2, as argparse does for wrong options), a full disk and the like
    one that names the folder (1). Tables go to stdout, notices and progress to stderr.

    >>> main(["data", "check", "no-such-file.jsonl"])
    2
    """
    made = parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks: eval "$(register-python-argcomplete hybridkit)"
        import argcomplete

        argcomplete.autocomplete(made)
    args = made.parse_args(arguments)
    args.words = list(sys.argv[1:] if arguments is None else arguments)
    log, notices = logging.getLogger("hybridkit"), logging.StreamHandler(sys.stderr)
    log.addHandler(notices)
    level = log.level
    log.setLevel(logging.INFO)
    try:
        result: CommandResult = args.handler(args)
        if args.json is not None:
            write_json(args.json, result.value)
        if result.text:
            print(result.text)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _fail("stopped; everything finished is kept" + getattr(args, "stopped", ""), STOPPED)
    except BrokenPipeError:
        _close_stdout()
        return PIPE
    except Exception as error:
        return _explain(error, args)
    finally:
        log.removeHandler(notices)
        log.setLevel(level)
    return 0


def _explain(error: Exception, args: argparse.Namespace) -> int:
    """Print an error that a user can fix; any other is a bug of the kit and is raised with its traceback."""
    from hybridkit.utils.files import is_full_disk

    if any(is_full_disk(one) for one in _chain(error)):
        folder, free = _fullest(error, args)
        text = f"{folder}: the disk is full ({free / 1e6:,.1f} MB are free); make room and run the same command again; "
        return _fail(text + "everything finished is kept" + getattr(args, "stopped", ""), TROUBLE)
    for one in _chain(error):
        if isinstance(one, ModuleNotFoundError) and (found := missing_extra(one)):
            return _fail(str(found), INPUT)
    if isinstance(error, InputError):
        return _fail(str(error), INPUT)
    if isinstance(error, TroubleError):
        return _fail(str(error), TROUBLE)
    if isinstance(error, OSError) and error.errno in _PATHS:
        return _fail(readable(f"{error.filename}: {error.strerror}; check the path and its permissions"), TROUBLE)
    raise error


def _fail(text: str, code: int) -> int:
    print(f"hybridkit: {text}", file=sys.stderr)
    return code


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _fullest(error: BaseException, args: argparse.Namespace) -> tuple[Path, int]:
    """The folder that was written to, with its free bytes: the error's own, else the fullest that the kit writes to."""
    from hybridkit.utils.paths import cache_folder, runs_folder

    named = [Path(str(one.filename)) for one in _chain(error) if isinstance(one, OSError) and one.filename]
    given = [one for one in (getattr(args, "out", None), args.json) if one is not None]
    paths = named or [*given, runs_folder(), cache_folder()]
    folders = [
        next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir()) for path in paths
    ]
    free = {folder: shutil.disk_usage(folder).free for folder in folders}
    folder = min(free, key=lambda one: free[one])
    return folder, free[folder]


def _close_stdout() -> None:
    """Whoever read our output has gone: let the interpreter's last flush go nowhere instead of failing."""
    with suppress(OSError, ValueError):  # stdout may not be a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
