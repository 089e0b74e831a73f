"""Measure parts of a piece, in a process for them alone.

An error on a GPU leaves the process without a device, so the process ends with the first part that fails. The session starts
another one for those that are left.
"""

from __future__ import annotations

import faulthandler
import time
import traceback
from collections.abc import Sequence

from benchmarks.gpu.piece import AbsentError, Context, FailedError, OutOfTimeError, Part, Piece
from benchmarks.gpu.results import ABSENT, DONE, FAILED, Results, Values, circumstances

ENDED, FAILED_CODE, OUT_OF_TIME = 0, 3, 4  # exit codes
_MOST_LINES = 12  # of a traceback that is kept


def work(piece: Piece, names: Sequence[str], context: Context, results: Results) -> int:
    """Measure the parts in order, and return the exit code of the process."""
    now = circumstances(context.small)
    for name in names:
        part = piece.part(name)
        if context.left() < part.seconds:
            context.say(
                f"{piece.name}: {name} is left for later: it takes about {part.seconds:.0f} s"
            )
            continue
        results.start(name, now)
        faulthandler.dump_traceback_later(part.limit, exit=True)
        context.say(f"{piece.name}: {name}")
        start = time.monotonic()
        try:
            state, values = _measure(part, context)
        except OutOfTimeError as error:
            if error.kept:
                results.go_on_later(name)
            context.say(f"{piece.name}: {name} goes on later: {error}")
            return OUT_OF_TIME
        finally:
            faulthandler.cancel_dump_traceback_later()
        results.end(name, state, values, time.monotonic() - start)
        if state != DONE:
            context.say(f"{piece.name}: {name}: {state}: {values['reason']}")
        if state == FAILED:
            return FAILED_CODE
    return ENDED


def _measure(part: Part, context: Context) -> tuple[str, Values]:
    try:
        return DONE, part.measure(context)
    except AbsentError as error:
        return ABSENT, {"reason": str(error)}
    except FailedError as error:
        return FAILED, {"reason": str(error)}
    except OutOfTimeError:
        raise
    except Exception as error:  # one part that fails is no reason to lose the others
        lines = traceback.format_exc().splitlines()[-_MOST_LINES:]
        reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        return FAILED, {"reason": reason, "traceback": lines}
