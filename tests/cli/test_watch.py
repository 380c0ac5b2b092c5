"""Watching a film: what is shown, when it ends, and what happens when the line breaks."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from filmforge.cli.pace import Pace, clock
from filmforge.cli.progress import most_telling, screen
from filmforge.cli.verdict import stands_still
from tests.cli.conftest import Run
from tests.cli.remote import Remote, film, shot, take

GATE = {"shot_id": "shot_001", "digest": "0" * 64, "review_url": "http://x/review/T"}


def test_without_a_terminal_each_change_is_a_line(cli: Run, remote: Remote) -> None:
    done = [shot("shot_001", "succeeded", "done")]
    remote.films = [
        film("running", [shot("shot_001", "running", "wip")]),
        film("running", done),
        film("running", done, reason="assembling", at_work={"step": "assemble", "share": 0.4}),
        film("succeeded", done),
    ]
    status, out, _ = cli("watch", "attic")
    assert status == 0
    assert out.splitlines() == [
        "shot_001: running · wip",
        "attic: running · spent $0.11 of $5.00 · reserved $0.05 · saved $0.02",
        "shot_001: succeeded · done",
        "attic: running, assembling, assemble 40% · "
        "spent $0.11 of $5.00 · reserved $0.05 · saved $0.02",
        "attic: succeeded · spent $0.11 of $5.00 · reserved $0.05 · saved $0.02",
    ]


def test_it_exits_with_3_when_only_a_person_can_go_on(cli: Run, remote: Remote) -> None:
    remote.films = [film("running", [shot("shot_001", "running", "wfa")], gates=[GATE])]
    status, out, _ = cli("watch", "attic")
    assert status == 3
    assert "shot_001 waits for approval: http://x/review/T" in out


def test_it_exits_with_1_when_the_film_was_cancelled(cli: Run, remote: Remote) -> None:
    remote.films = [film("cancelled")]
    assert cli("watch", "attic")[0] == 1


def test_submit_with_wait_prints_the_id_on_stdout_and_progress_on_stderr(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    (tmp_path / "film.json").write_text("{}")
    remote.answers["/v1/films"] = (202, {"film_id": "attic"})
    remote.films = [film("running"), film("succeeded")]
    status, out, err = cli("submit", tmp_path / "film.json", "--wait")
    assert (status, out) == (0, "attic\n")
    assert "attic: succeeded" in err


def test_with_json_the_last_state_is_the_only_output(cli: Run, remote: Remote) -> None:
    remote.films = [film("running"), film("succeeded")]
    status, out, err = cli("watch", "attic", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == film("succeeded")


def test_a_broken_event_stream_is_taken_up_where_it_broke(cli: Run, remote: Remote) -> None:
    remote.cut_events = True
    remote.films = [*[film("running")] * 6, film("succeeded")]
    assert cli("watch", "attic")[0] == 0
    assert remote.event_connections[:2] == ["", "1"]


def test_it_asks_at_most_four_times_a_second(cli: Run, remote: Remote) -> None:
    remote.films = [*[film("running")] * 5, film("succeeded")]
    started = time.monotonic()
    cli("watch", "attic")
    assert time.monotonic() - started >= 5 * 0.25


def test_a_film_that_does_not_exist_is_told_before_anything_is_drawn(cli: Run) -> None:
    status, out, err = cli("watch", "nothing")
    assert (status, out) == (1, "")
    assert "there is nothing at v1/films/nothing" in err


def draw(console: Console, document: object, left_s: float | None = None) -> str:
    with console.capture() as drawn:
        console.print(screen(document, console.height, 65, left_s))  # type: ignore[arg-type] # as parsed
    return drawn.get()


def test_thousands_of_shots_fill_one_screen_with_those_that_matter() -> None:
    shots = [shot(f"shot_{n:04}", "succeeded", "done") for n in range(5000)]
    shots[4000] = shot("shot_4000", "running", "wip")
    shots[4999] = shot("shot_4999", "needs_attention", "wip", reason="content_refused")
    for height in (24, 50):
        drawn = draw(Console(width=100, height=height), film(shots=shots))
        assert len(drawn.splitlines()) <= height
        for words in ("shot_4999", "content_refused", "shot_4000", "5000 shots", "4998 done"):
            assert words in drawn


def test_a_screen_stays_in_its_height_whatever_waits() -> None:
    shots = [shot(f"s{n}", "running", "wfa") for n in range(100)]
    gates = [{**GATE, "shot_id": f"s{n}"} for n in range(100)]
    drawn = draw(Console(width=80, height=24), film(shots=shots, gates=gates))
    assert len(drawn.splitlines()) <= 24


def test_the_header_shows_cost_against_limit_and_a_dash_until_the_time_left_is_known() -> None:
    console = Console(width=120, height=30)
    assert "1:05 here · — left" in draw(console, film())
    drawn = draw(console, film(), 42)
    assert "42 s left" in drawn
    assert "spent $0.11 of $5.00 · reserved $0.05 · saved $0.02" in drawn


def test_all_shots_stay_in_film_order_when_there_is_room() -> None:
    shots = [shot("b", "succeeded", "done"), shot("a", "running", "wip")]
    assert most_telling(shots, 2) == shots
    assert most_telling(shots, 1) == [shots[1]]


def test_the_time_left_follows_the_pace_of_this_run() -> None:
    pace = Pace()
    made = [take("image"), take("video")]
    pace.note(0, film(shots=[shot("a", "running", takes=made), shot("b"), shot("c")]))
    assert pace.left_s(1) is None
    done = [shot("a", "succeeded"), shot("b", "running", takes=made), shot("c")]
    pace.note(6, film(shots=done))
    assert pace.left_s(6) == 8  # three steps took 6 s, four are left


def test_nobody_knows_how_long_a_person_takes() -> None:
    pace = Pace()
    pace.note(0, film(shots=[shot("a"), shot("b", "running", "wfa")]))
    pace.note(4, film(shots=[shot("a", "succeeded"), shot("b", "running", "wfa")]))
    assert pace.left_s(4) is None


def test_times_are_said_as_people_say_them() -> None:
    assert [clock(s) for s in (None, 7.6, 65, 7384)] == ["—", "8 s", "1:05", "2:03:04"]


def test_a_film_stands_still_only_when_nothing_moves_and_somebody_is_needed() -> None:
    gate, moving = shot("a", "running", "wfa"), shot("b", "running", "wip")
    parked = shot("c", "queued", "ready", reason="budget_exceeded")
    assert stands_still(film("running", [gate, parked]))
    assert not stands_still(film("running", [gate, moving]))
    assert not stands_still(film("running", [shot("a", "succeeded", "done")]))
    assert stands_still(film("needs_attention", [parked, shot("d")]))
    assert not stands_still(film("cancelled", [parked]))


def on_terminal(state: Path, *arguments: str) -> tuple["subprocess.Popen[bytes]", int]:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "filmforge.cli", *arguments, "--state", str(state)]
    child = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    return child, ours


def read_until(terminal: int, words: str, seconds: float = 20) -> str:
    seen, deadline = b"", time.monotonic() + seconds
    while words not in seen.decode(errors="replace") and time.monotonic() < deadline:
        try:
            seen += os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
    return seen.decode(errors="replace")


def test_on_a_terminal_it_waits_with_the_person_and_ctrl_c_ends_it_quietly(
    state: Path, remote: Remote
) -> None:
    remote.films = [film("needs_attention", [shot("shot_001", "running", "wfa")], gates=[GATE])]
    child, terminal = on_terminal(state, "watch", "attic")
    try:
        read_until(terminal, "waits for approval")
        deadline = time.monotonic() + 20
        while remote.looks < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        rest = read_until(terminal, "no such words")
        assert child.wait(20) == 130
        assert "Traceback" not in rest
    finally:
        child.kill()
        child.wait()
        os.close(terminal)
