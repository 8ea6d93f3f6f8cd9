"""What W&B gets is read back from its own offline file."""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from swaplab.ablations.files import planned_from
from swaplab.runs.offline import unsent
from swaplab.runs.record import RunRecord
from swaplab.training.loggers.evaluation import publish_evaluation
from swaplab.training.loggers.feed import Feeds
from swaplab.training.loggers.shown import Shown
from swaplab.training.loggers.wandb import TAG, Wandb, tags_of

SLOW, MANNERS = pytest.mark.slow, ("refuses", "silent", "core dies", "answers")
NODE = {"_target_": "swaplab.training.loggers.wandb.Wandb", "mode": "offline", "project": "lab"}
LABELS = {"name": None, "group": None, "job_type": "train", "tags": ["quick"], "notes": "as in the paper"}
CONFIG: dict[str, Any] = {
    "name": "norms",
    "seed": 3,
    "norm": None,
    "optimizer": {"generator": {"lr": 1e-4, "betas": [0.5, 0.999]}},
    "factors": {"norm": "sync_batch", "generator.width": 0.5},
    "logger": {"wandb": NODE},
    "labels": LABELS,
}
FACTS = {
    "git": {"commit": "c0ffee", "changed": False},
    "parameters": {"generator": 700, "discriminator": 300},
    "macs": 12345,
    "cost": {"seconds": 1.5},
}

# Two sessions of one run: the second sends the first one's rows again and fails. In a separate process, because W&B
# starts a service process, which must end with it.
SESSIONS = """
import json, sys, time
from pathlib import Path
import numpy as np
from swaplab.runs.record import RunRecord
from swaplab.sheets import png
from swaplab.training.loggers.evaluation import publish_evaluation
from swaplab.training.loggers.feed import Feeds, views_of

config = json.loads(sys.argv[2])
record = RunRecord.create(Path(sys.argv[1]), config, json.loads(sys.argv[3]))

def session(first, failed):
    loggers = Feeds.of_training(views_of(config), record, config)
    for i in range(first, first + 3):
        row = {"images_seen": 64 * i, "steps": i, "loss/generator/reconstruction": 1 / i, "train/progress": i / 6}
        sheet = None
        if i == 2:
            row["val/reconstruction_psnr"] = 20.0625
            sheet = record.folder / "samples" / "000000128.png"
            sheet.write_bytes(png(np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)))
        if i in (1, 3):
            row |= {"val/reconstruction_psnr": 10.5, "val/reconstruction_mse": i / 8, "val/oracle_swap_psnr": 9.5}
        record.add_metrics(row)
        loggers.publish(row, str(sheet) if sheet else None)
    loggers.finish({"best": 0.125}, "failed" if failed else "interrupted")

session(1, failed=False)
time.sleep(1)  # W&B names folders by the second
record.begin_session()
session(4, failed=True)
record.end("complete", "done", images_seen=384)
sheet = Path(sys.argv[1]) / "test-A_to_B-samples.png"
sheet.write_bytes(png(np.zeros((4, 6, 3), np.uint8)))
there = [("model", {"score": 0.25, "band[truth:0.25-0.5]@9": 12.0}), ("real", {"score": 1.0})]
rows = {"A->B": there, "B->A": [("model", {"score": 0.75})]}
ways = [{"direction": w, "rows": [{"key": k, "values": v} for k, v in r]} for w, r in rows.items()]
publish_evaluation(record, config, {"split": "test", "weights": "final", "directions": ways}, [sheet])
"""


def records(file: Path) -> list[Any]:
    """The records of a ``.wandb`` file: a LevelDB log after a header of 7 bytes.

    Blocks of 32 KiB hold chunks of checksum (4 bytes), length (2), kind (1: full, 2: first, 3: middle, 4: last) and
    data; fewer than 7 bytes at a block's end are padding.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    data, block, header = file.read_bytes(), 32768, 7
    assert data[:4] == b":W&B"
    found, parts, at = [], b"", header
    while at + header <= len(data):
        left = block - at % block
        if left < header:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + header])
        at += header + length
        assert 1 <= kind <= 4
        parts = (b"" if kind in (1, 2) else parts) + data[at - length : at]
        if kind in (1, 4):
            found.append(Record.FromString(parts))
    return found


def of_kind(found: list[Any], kind: str) -> list[Any]:
    return [getattr(record, kind) for record in found if record.WhichOneof("record_type") == kind]


def values(items: Any) -> dict[str, Any]:
    """Key-value items; nested keys are joined by a dot."""
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


@pytest.fixture(scope="module")
def contacts() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that answers no request and records all."""
    calls: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    call, _ = server.accept()
                except OSError:
                    return
                with call:
                    calls.append(call.recv(200))

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", calls


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory, contacts: tuple[str, list[bytes]]) -> Path:
    folder = tmp_path_factory.mktemp("dashboard") / "run"
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), contacts[0])
    environment = {k: v for k, v in os.environ.items() if "PROXY" not in k.upper() and "WANDB" not in k}
    # an address of no machine: every request goes to the proxy
    environment |= proxies | {"WANDB_BASE_URL": "http://dashboard.invalid", "DASHBOARD_TEST": str(folder)}
    words = [sys.executable, "-c", SESSIONS, str(folder), json.dumps(CONFIG), json.dumps(FACTS)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""
    return folder


@pytest.fixture(scope="module")
def sessions(run_folder: Path) -> list[list[Any]]:
    """The records of both sessions."""
    files = sorted(file for file in run_folder.glob("wandb/offline-run-*/*.wandb") if "evaluate" not in file.name)
    assert len(files) == 2
    return [records(file) for file in files]


@pytest.fixture(scope="module")
def evaluation(run_folder: Path, sessions: list[list[Any]]) -> list[Any]:
    """The records of the W&B run of the evaluation."""
    (file,) = run_folder.glob("wandb/offline-run-*/*-evaluate-final-test.wandb")
    return records(file)


def summary_of(found: list[Any]) -> dict[str, Any]:
    """The summary that was set explicitly; the file does not contain what W&B derives from the rows."""
    summary: dict[str, Any] = {}
    for part in of_kind(found, "summary"):
        summary |= values(part.update)
    return summary


def history(found: list[Any]) -> list[dict[str, Any]]:
    """The rows, without W&B's own step and clock and without pictures."""
    rows = [values(row.item) for row in of_kind(found, "history")]
    return [{k: v for k, v in row.items() if k[0] != "_" and not k.startswith("samples")} for row in rows]


def test_history_is_metrics_jsonl(run_folder: Path, sessions: list[list[Any]]) -> None:
    rows = RunRecord(run_folder).metrics()
    assert [row["images_seen"] for row in rows] == [64, 128, 192, 256, 320, 384]
    assert history(sessions[0]) == rows[:3]


def test_a_resumed_run_is_told_from_its_first_row(run_folder: Path, sessions: list[list[Any]]) -> None:
    assert history(sessions[1]) == RunRecord(run_folder).metrics()
    first, second = (of_kind(found, "run")[0].run_id for found in sessions)
    assert first == second  # the newest replaces the others, there as here


def test_what_the_run_is(sessions: list[list[Any]]) -> None:
    run = of_kind(sessions[0], "run")[0]
    assert (run.project, run.run_group, run.job_type) == ("lab", "norms", "train")
    assert (run.display_name, run.notes) == ("norm=sync_batch generator.width=0.5 run", "as in the paper")
    assert sorted(run.tags) == ["generator.width=0.5", "norm=sync_batch", "quick", "seed=3"]
    config = values(run.config.update)
    factors = {"factor/norm": "sync_batch", "factor/generator/width": 0.5}
    expected = CONFIG | factors | {"commit": "c0ffee"}
    assert {key: value for key, value in config.items() if not key.startswith("_")} == expected


def test_images_seen_is_the_only_axis(sessions: list[list[Any]]) -> None:
    metrics = of_kind(sessions[0], "metric")
    assert [(m.name, m.glob_name, m.step_metric) for m in metrics] == [
        ("images_seen", "", ""),
        ("", "*", "images_seen"),
    ]


def test_the_picture_is_there_also_when_it_is_told_again(run_folder: Path, sessions: list[list[Any]]) -> None:
    folders = sorted(run_folder.glob("wandb/offline-run-*/files"))
    for folder, found in zip(folders, sessions, strict=False):
        row = values(of_kind(found, "history")[1].item)
        assert row["images_seen"] == 128
        assert (row["samples.width"], row["samples.height"]) == (12, 8)
        logged = folder / row["samples.path"]
        assert logged.read_bytes() == (run_folder / "samples" / "000000128.png").read_bytes()


def test_summary_and_how_it_ended(sessions: list[list[Any]]) -> None:
    summary = summary_of(sessions[0])
    assert summary["status"] == "interrupted"
    assert summary["best"] == 0.125
    assert [of_kind(found, "exit")[0].exit_code for found in sessions] == [0, 1]


def test_the_best_values_and_the_cost_are_in_the_summary(sessions: list[list[Any]]) -> None:
    for found in sessions:  # the second session knows the best value of the first
        summary = summary_of(found)
        # the oracle selects nothing, so its best value is absent
        assert {key: value for key, value in summary.items() if key.startswith(("best/", "cost/"))} == {
            "best/val/reconstruction_psnr": 20.0625,
            "best/val/reconstruction_mse": 0.125,
            "cost/parameters": 700,
            "cost/macs": 12345,
            "cost/seconds": 1.5,
        }


def test_a_measurement_is_a_run_beside_the_trained_one(run_folder: Path, evaluation: list[Any]) -> None:
    run = of_kind(evaluation, "run")[0]
    assert (run.project, run.run_group, run.job_type) == ("lab", "norms", "evaluate")
    assert run.display_name == "norm=sync_batch generator.width=0.5 run final test"
    assert sorted(run.tags) == ["generator.width=0.5", "norm=sync_batch", "quick", "seed=3"]
    config = values(run.config.update)
    assert (config["factor/norm"], config["evaluation"]) == ("sync_batch", {"split": "test", "weights": "final"})
    (row,) = of_kind(evaluation, "history")
    numbers = {key: value for key, value in values(row.item).items() if key[0] != "_" and "samples" not in key}
    assert numbers == {
        "images_seen": 384,
        "evaluation/final/test/score": 0.5,
        "evaluation/final/test/score/A_to_B": 0.25,
        "evaluation/final/test/score/B_to_A": 0.75,
        "evaluation/final/test/band_truth_0_25-0_5_9": 12.0,
        "evaluation/final/test/band_truth_0_25-0_5_9/A_to_B": 12.0,
    }
    assert values(row.item)["evaluation/final/test/A_to_B-samples.width"] == 6
    assert summary_of(evaluation)["status"] == "complete"
    assert summary_of(evaluation)["cost/parameters"] == 700


def test_a_run_that_was_measured_is_sent_as_two(run_folder: Path, sessions: list[list[Any]]) -> None:
    kinds = [part.name.rpartition("-")[2] for part in unsent(run_folder)]
    assert len(kinds) == 2
    assert "test" in kinds


def test_tags_fit() -> None:
    config = {"seed": 0, "factors": {"loss": "x" * 200}, "labels": LABELS | {"tags": []}}
    (tag, seed) = tags_of(Shown(RunRecord(Path()), config))
    assert (len(tag), tag[:7], seed) == (TAG, "loss=xx", "seed=0")


def test_a_job_of_a_wandb_sweep_tells_of_one_run_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = RunRecord.create(tmp_path / "run", CONFIG, {})
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setenv("WANDB_SWEEP_ID", "abc")
    publish_evaluation(record, CONFIG, {"split": "test", "weights": "final", "directions": []}, [])
    monkeypatch.delenv("WANDB_SWEEP_ID")
    disabled = CONFIG | {"logger": {"wandb": NODE | {"mode": "disabled"}}}
    publish_evaluation(record, disabled, {"split": "test", "weights": "final", "directions": []}, [])
    assert sorted(tmp_path.rglob("*")) == before


def test_offline_calls_nobody(run_folder: Path, contacts: tuple[str, list[bytes]]) -> None:
    assert contacts[1] == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_the_service_ended_with_the_run(run_folder: Path) -> None:
    assert of_this_test(run_folder) == []


def test_disabled_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = RunRecord.create(tmp_path / "run", CONFIG, {})
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    for view in (Wandb(mode="disabled"), Wandb()):
        loggers = Feeds.of_training([view], record, CONFIG)
        loggers.publish({"images_seen": 128, "loss": 0.5}, None)
        loggers.finish({}, "complete")
        assert view.run is None
    assert sorted(tmp_path.rglob("*")) == before


def test_online_without_an_account_goes_on_offline_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import wandb

    modes = []

    def refuse(**settings: Any) -> None:
        modes.append(settings["mode"])
        raise wandb.errors.UsageError("No API key configured.\nMore words.")

    monkeypatch.setattr(wandb, "init", refuse)
    record = RunRecord.create(tmp_path / "run", CONFIG, {})
    Feeds.of_training([Wandb(mode="online")], record, CONFIG).finish({}, "complete")
    assert modes == ["online", "offline"]
    assert "(No API key configured; `wandb login` sets the key)" in caplog.text


def asked_of(view: Wandb, config: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments of `wandb.init`."""
    import wandb

    asked: dict[str, Any] = {}

    def record(**settings: Any) -> None:
        asked.update(settings)
        raise RuntimeError("enough")

    monkeypatch.setattr(wandb, "init", record)
    with pytest.raises(RuntimeError, match="enough"):
        view.begin(Shown(RunRecord.create(folder, config, {}), config))
    return asked


def test_the_environment_holds_where_the_config_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"PROJECT": "p", "NAME": "n", "RUN_GROUP": "g", "TAGS": "t, u", "DIR": str(tmp_path / "w")}
    for name, value in variables.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    asked = asked_of(Wandb(), CONFIG, tmp_path / "one", monkeypatch)
    assert (asked["project"], asked["name"], asked["group"], asked["dir"]) == ("p", "n", "g", str(tmp_path / "w"))
    assert asked["tags"][-2:] == ["t", "u"]
    assert asked["entity"] is None  # left to W&B, which reads WANDB_ENTITY and WANDB_NOTES
    config = CONFIG | {"labels": LABELS | {"name": "own", "group": "mine"}}
    asked = asked_of(Wandb(project="lab", entity="me"), config, tmp_path / "two", monkeypatch)
    assert (asked["project"], asked["entity"], asked["name"], asked["group"]) == ("lab", "me", "own", "mine")


@contextmanager
def service(manner: str) -> Iterator[str]:
    """A W&B service on this machine, by its address: it ``refuses``, is ``silent``, or ``answers``."""
    if manner == "answers":
        with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_address[1]}"
            server.shutdown()
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if manner == "refuses":
            server.close()
        yield f"http://127.0.0.1:{port}"


class Answers(BaseHTTPRequestHandler):
    """The part of the service that a run needs. ``rows``: what it got, by run, as W&B's file streams do."""

    rows: dict[str, list[dict[str, Any]]] = {}  # noqa: RUF012

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(sent) if self.path == "/graphql" else {}
        name = asked.get("variables", {}).get("name")  # of the run, which goes by what the service calls it
        bucket: dict[str, Any] = {"id": "x", "name": name, "displayName": name, "config": "{}"}
        bucket["project"] = {"id": "p", "name": "lab", "entity": {"id": "e", "name": "me"}}
        viewer = {"id": "v", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}
        files = {"runID": "x", "uploadHeaders": [], "files": []}
        data = {"viewer": viewer, "upsertBucket": {"bucket": bucket, "inserted": True}, "createRunFiles": files}
        if "RunResumeStatus" in asked.get("query", ""):
            data = {
                "model": {"id": "p", "name": "lab", "entity": {"id": "e", "name": "me"}, "bucket": self.known(name)}
            }
        stream = json.loads(sent).get("files") or {} if self.path.endswith("/file_stream") else {}
        if part := stream.get("wandb-history.jsonl"):
            rows = self.rows.setdefault(self.path.split("/")[-2], [])
            rows[part["offset"] :] = [json.loads(line) for line in part["content"]]
        body = json.dumps({"data": data} if asked else {"limits": {}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def known(self, name: str) -> dict[str, Any] | None:
        """What the service says of a run that is to be resumed."""
        rows = self.rows.get(name)
        if not rows:
            return None
        summary: dict[str, Any] = {}
        for row in rows:
            summary |= row
        facts = {"summaryMetrics": json.dumps(summary), "historyTail": json.dumps([json.dumps(rows[-1])])}
        counts = {"historyLineCount": len(rows), "eventsLineCount": 0, "logLineCount": 0, "eventsTail": "[]"}
        config = {"config": "{}", "wandbConfig": json.dumps({"t": 1}), "tags": [], "displayName": name, "id": "x"}
        return {"name": name, **facts, **counts, **config}

    def log_message(self, *_: Any) -> None:
        """Nothing."""


ONLINE = """
import json, sys, time
from pathlib import Path
from swaplab.runs.record import RunRecord
from swaplab.training.loggers.feed import Feeds, views_of

config = json.loads(sys.argv[2])
record = RunRecord.create(Path(sys.argv[1]), config, {"cost": {"seconds": 1.0}})
(view,) = views_of(config)
loggers = Feeds.of_training([view], record, config)
while view.run is None:
    time.sleep(0.05)
print("begun", flush=True)
sys.stdin.readline()
row = {"images_seen": 8, "loss": 0.5}
record.add_metrics(row)
loggers.publish(row, None)
record.end("complete", "done", metrics={})
loggers.finish({}, "complete")
print("ended", flush=True)
"""


@pytest.mark.parametrize("manner", ["dies", *(pytest.param(m, marks=SLOW) for m in MANNERS)])
def test_a_service_that_is_away_costs_seconds_and_a_sentence(tmp_path: Path, manner: str) -> None:
    """The service, or W&B's own process, dies before or during the run: record and rows are complete."""
    folder, config = tmp_path / "run", CONFIG | {"logger": {"wandb": NODE | {"mode": "online"}}}
    environment = {k: v for k, v in os.environ.items() if "PROXY" not in k.upper() and "WANDB" not in k}
    with service("answers" if manner in ("dies", "core dies") else manner) as address:
        environment |= {"WANDB_BASE_URL": address, "WANDB_API_KEY": "a" * 40, "DASHBOARD_TEST": str(folder)}
        words = [sys.executable, "-c", ONLINE, str(folder), json.dumps(config)]
        run = subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert run.stdout is not None
        started = time.monotonic()
        assert run.stdout.readline() == "begun\n"
        waited = time.monotonic() - started
        if manner == "core dies":
            for process in of_this_test(folder):
                if b"wandb-core" in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), 9)
        if manner != "dies":
            _, complaint = run.communicate("go\n", timeout=90)
    if manner == "dies":  # now its address has no listener
        _, complaint = run.communicate("go\n", timeout=90)
    assert run.returncode == 0, complaint
    assert "Traceback" not in complaint
    assert RunRecord.load(folder).status == "complete"
    assert complaint.count("W&B failed (") == (manner != "answers")
    end = time.monotonic() + 20  # children of W&B's own process notice its end within seconds
    while left := of_this_test(folder):
        assert time.monotonic() < end, [(process / "cmdline").read_bytes() for process in left]
        time.sleep(0.1)
    assert waited < 150  # about 10 where nothing else runs; it was 97 before the run failed
    kept = unsent(folder)
    assert len(kept) == (manner != "answers")
    if manner in ("refuses", "silent", "dies"):
        (found,) = kept
        rows = of_kind(records(next(found.glob("*.wandb"))), "history")
        assert [values(row.item)["images_seen"] for row in rows] == [8]


TWICE = """
import json, sys, time
from pathlib import Path
from swaplab.runs.offline import mark_sent, unsent
from swaplab.runs.record import RunRecord
from swaplab.training.loggers.feed import Feeds, views_of
from swaplab.training.loggers.wandb import rewritten

config = json.loads(sys.argv[2])
record = RunRecord.create(Path(sys.argv[1]), config, {"cost": {"seconds": 1.0}})
for session, steps in enumerate(((1, 2), (3, 4))):
    if session:
        time.sleep(1)  # W&B names folders by the second
        record.begin_session()
    loggers = Feeds.of_training(views_of(config), record, config)
    for i in steps:
        row = {"images_seen": 8 * i, "loss": 1 / i}
        record.add_metrics(row)
        loggers.publish(row, None)
    loggers.finish({}, "interrupted")
record.end("complete", "done", metrics={})
assert unsent(record.folder) == []
time.sleep(1)
print(rewritten(record, config))
"""


def test_a_run_of_an_ablation_stands_in_its_group_with_its_level(
    process: Callable[..., Any], tiny: list[str], tmp_path: Path
) -> None:
    words = [*tiny, "budget.images=16", "logger=wandb", "logger.wandb.project=lab", "labels.tags=[mine]", "name=again"]
    found = planned_from("encoder", [*words, "ablation.seeds=[4]"], None)
    (cell,) = [cell for cell in found.cells if cell.level == "separate"]
    (tmp_path / "cell.yaml").write_text(yaml.safe_dump(found.configs[cell]))
    done = process("train", f"resolved={tmp_path / 'cell.yaml'}", env={k: None for k in os.environ if "WANDB" in k})
    assert done.wait(300) == 0, done.err
    (file,) = (tmp_path / "runs" / "again" / cell.run_id).glob("wandb/offline-run-*/*.wandb")
    run = of_kind(records(file), "run")[0]
    assert (run.project, run.run_group, run.job_type) == ("lab", "again", "ablation")
    assert run.display_name == f"encoder=separate {cell.run_id}"
    assert sorted(run.tags) == ["encoder=separate", "mine", "seed=4"]
    config = values(run.config.update)
    assert {key: level for key, level in config.items() if key.startswith("factor/")} == {"factor/encoder": "separate"}
    assert (config["factors"], config["seed"]) == ({"encoder": "separate"}, 4)
    assert config["generator"]["encoder"] == "separate"


@pytest.mark.slow
def test_an_online_run_goes_on_where_the_service_left_it(tmp_path: Path) -> None:
    folder, config = tmp_path / "run", CONFIG | {"logger": {"wandb": NODE | {"mode": "online"}}}
    environment = {k: v for k, v in os.environ.items() if "PROXY" not in k.upper() and "WANDB" not in k}
    Answers.rows.clear()
    with service("answers") as address:
        environment |= {"WANDB_BASE_URL": address, "WANDB_API_KEY": "a" * 40}
        words = [sys.executable, "-c", TWICE, str(folder), json.dumps(config)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stderr
    (rows,) = Answers.rows.values()
    assert [row["images_seen"] for row in rows] == [8, 16, 24, 32]
    assert [row["_step"] for row in rows] == [0, 1, 2, 3]
    continued = [part.parent for part in folder.glob("wandb/run-*/continued")]
    assert len(continued) == 1
    again = records(next(Path(done.stdout.strip()).glob("*.wandb")))
    assert [row["images_seen"] for row in history(again)] == [8, 16, 24, 32]


def of_this_test(folder: Path) -> list[Path]:
    """The processes in /proc that a test started."""
    mark, found = f"DASHBOARD_TEST={folder}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(process)
        except OSError:
            continue
    return found
