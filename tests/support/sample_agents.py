"""Agents in plain Python that tests put into plans; loaded through NEXUS_PLUGINS like any plugin.

`instructions` of a task is JSON where an agent takes options.
"""

import asyncio
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from nexus.agents import Brief, Context, Effect, agent, tool
from nexus.domain.seam import Call, CallKind, Recorded
from nexus.errors import PermanentFailure
from nexus.tools.scope import ToolScope
from tests.support.waiting import until


@agent("echo", description="Says what it was given")
async def echo(brief: Brief, context: Context) -> str:
    return json.dumps(
        {"task": brief.task.key, "instructions": brief.instructions, "inputs": dict(brief.inputs)}
    )


@agent("gate", description="Writes that it began, and ends when it is let through")
async def gate(brief: Brief, context: Context) -> str:
    folder = Path(json.loads(brief.instructions)["folder"])
    (folder / f"{brief.task.key}.begun").write_text(context.subtask_id)
    await until((folder / f"{brief.task.key}.open").exists, timeout=60)
    return f"{brief.task.key} went through"


@agent("flaky", description="Fails until a given attempt")
async def flaky(brief: Brief, context: Context) -> str:
    if context.attempt < int(brief.instructions):
        raise ValueError(f"attempt {context.attempt} was not to be")
    return f"done at attempt {context.attempt}"


@agent("broken", description="Always fails for good")
async def broken(brief: Brief, context: Context) -> str:
    raise PermanentFailure("this cannot work", hint="do not try")


@agent("odd", description="Writes text no database likes")
async def odd(brief: Brief, context: Context) -> str:
    return "nul \x00 and surrogate \ud800 end"


@agent("stepper", description="Counts how often its two steps really ran")
async def stepper(brief: Brief, context: Context) -> str:
    options = json.loads(brief.instructions)
    folder = Path(options["folder"])
    first = await context.step("first", _count, str(folder / "first"))
    if options.get("fail_until", 0) > context.attempt:
        raise ValueError("after the first step")
    gate_file = options.get("gate")
    if gate_file:
        (folder / "at_gate").write_text("here")
        await until(Path(gate_file).exists, timeout=60)
    second = await context.step("second", _count, str(folder / "second"))
    return json.dumps({"first": first, "second": second})


def _count(path: str) -> int:
    file = Path(path)
    count = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(count))
    return count


@tool(effect=Effect.IDEMPOTENT)
async def tally(scope: ToolScope, file: str, gate: str = "") -> int:
    """Count in a file how often this was called, and wait for the gate if there is one."""
    count = _count(file)
    if gate:
        await until(Path(gate).exists, timeout=60)
    return count


@tool()
async def page_of(scope: ToolScope, size: int, last: str = "x") -> str:
    """Make a page of that many characters."""
    return "x" * (size - 1) + last


@agent("caller", description="Calls tools without a model")
async def caller(brief: Brief, context: Context) -> str:
    options = json.loads(brief.instructions)
    counts = [await context.call_tool("tally", **call) for call in options["calls"]]
    if context.attempt == 1:
        raise ValueError("the first attempt ends here")
    return json.dumps(counts)


@agent("bulky", description="Makes a large page and reads its length")
async def bulky(brief: Brief, context: Context) -> str:
    page = await context.call_tool("page_of", size=int(brief.instructions))
    return str(len(str(page)))


@agent("poison", description="Brings its worker down")
async def poison(brief: Brief, context: Context) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


@agent("hog", description="Computes without awaiting, for as many seconds as told")
async def hog(brief: Brief, context: Context) -> str:
    _compute(float(brief.instructions))
    return "computed"


@agent("tracer", description="Writes a line whenever it is run")
async def tracer(brief: Brief, context: Context) -> str:
    with (Path(json.loads(brief.instructions)["folder"]) / "trace").open("a") as trace:
        trace.write(f"{brief.task.key}\n")
    return "traced"


@agent("blocker", description="Holds up its worker for as many seconds as told, when let through")
async def blocker(brief: Brief, context: Context) -> str:
    options = json.loads(brief.instructions)
    folder = Path(options["folder"])
    (folder / f"{brief.task.key}.begun").write_text(context.subtask_id)
    await until((folder / f"{brief.task.key}.open").exists, timeout=60)
    (folder / f"{brief.task.key}.blocks").write_text("from here")
    _compute(options["seconds"])
    return "computed"


def _compute(seconds: float) -> None:
    time.sleep(seconds)


@agent("stubborn", description="Will not be cancelled for as many seconds as told")
async def stubborn(brief: Brief, context: Context) -> str:
    end = time.monotonic() + float(brief.instructions)
    while time.monotonic() < end:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.05)
    return "went on to the end"


@agent("sore", description="Waits for as many seconds as told, and fails when it is cancelled")
async def sore(brief: Brief, context: Context) -> str:
    try:
        await asyncio.sleep(float(brief.instructions))
    except asyncio.CancelledError as told:
        raise ValueError("I was not done") from told
    return "done"


@agent("threaded", description="Takes a step that blocks a thread for as many seconds as told")
async def threaded(brief: Brief, context: Context) -> str:
    await context.step("block", _compute, float(brief.instructions))
    return "computed"


@agent("grouped", description="Does two things at once, of which one fails for good")
async def grouped(brief: Brief, context: Context) -> str:
    async with asyncio.TaskGroup() as both:
        both.create_task(context.step("fine", str, "fine"))
        both.create_task(context.step("broken", _refuse))
    return "never"


def _refuse() -> str:
    raise PermanentFailure("it cannot be done")


@agent("quick", description="Says one word")
async def quick(brief: Brief, context: Context) -> str:
    return "done"


@agent("leaver", description="Tries to end its worker politely")
async def leaver(brief: Brief, context: Context) -> str:
    raise SystemExit(3)


@agent("forsaken", description="Waits for something that is cancelled")
async def forsaken(brief: Brief, context: Context) -> str:
    raise asyncio.CancelledError


@agent("endless", description="Writes more than fits")
async def endless(brief: Brief, context: Context) -> str:
    return "x" * (16 * 1024**2 + 1)


@agent("sender", description="Makes one unsafe call that hangs until it is let through")
async def sender(brief: Brief, context: Context) -> str:
    folder = Path(json.loads(brief.instructions)["folder"])

    async def send(key: str) -> Recorded:
        (folder / "keys").open("a").write(f"{key}\n")
        await until((folder / "open").exists, timeout=60)
        return Recorded("sent")

    call = Call(CallKind.TOOL, "send_letter", "call_1", "0" * 64, Effect.UNSAFE, {"to": "Ada"})
    return json.dumps(await context.seam.call(call, send))


@tool(effect=Effect.UNSAFE)
async def mail_letter(scope: ToolScope, folder: str, idempotency_key: str) -> str:
    """Post a letter, and wait for the gate if the letterbox has one."""
    with (Path(folder) / "posted").open("a") as posted:
        posted.write(f"{idempotency_key}\n")
    await until(lambda: not (Path(folder) / "jammed").exists(), timeout=60)
    return "posted"


@agent("correspondent", description="Posts a letter without a model, then fails if it is told to")
async def correspondent(brief: Brief, context: Context) -> str:
    folder = Path(json.loads(brief.instructions)["folder"])
    said = await context.call_tool("mail_letter", folder=str(folder))
    if (folder / "fails").exists():
        raise PermanentFailure("what came after the letter failed")
    return json.dumps(said)


@agent("splitter", description="Delegates the parts it is told and says what they came to")
async def splitter(brief: Brief, context: Context) -> str:
    try:
        options = json.loads(brief.instructions)
    except ValueError:
        return "a part"
    found = [await context.delegate(parts) for parts in options["calls"]]
    if options.get("strict") and any("error" in one for call in found for one in call):
        raise PermanentFailure("a part failed")
    if "then" in options:
        await context.call_tool("post_card", text=options["then"])
    return json.dumps(found)


@agent("gated", description="Like gate, under the title of its part")
async def gated(brief: Brief, context: Context) -> str:
    folder = Path(json.loads(brief.instructions)["folder"])
    (folder / f"{brief.task.title}.begun").write_text(context.subtask_id)
    await until((folder / f"{brief.task.title}.open").exists, timeout=60)
    return f"{brief.task.title} went through"


@agent("asks", description="Asks a person and says what was answered")
async def asks(brief: Brief, context: Context) -> str:
    return str(await context.call_tool("ask_person", question=brief.instructions))


@tool(effect=Effect.UNSAFE)
async def post_card(scope: ToolScope, text: str) -> str:
    """Post a card, which nobody gets back."""
    return f"posted {text}"


@agent("reckless", description="Calls an unsafe tool at once")
async def reckless(brief: Brief, context: Context) -> str:
    return str(await context.call_tool("post_card", text="hello"))


@agent("long", description="Writes as many characters as told")
async def long(brief: Brief, context: Context) -> str:
    return "x" * int(brief.instructions)
