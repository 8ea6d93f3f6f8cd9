"""The summary says what the evaluation says, each number beside the one it has to beat."""

from swaplab.metrics.evaluation import Evaluation, Row
from swaplab.metrics.summary import summary


def evaluation(direction: str, score: float) -> Evaluation:
    """One direction with recognisable numbers."""
    mixed, expression = "retrieval_top1[mixed]@100", "retrieval_top1[expression]@100"
    rows = {
        "model": {
            "score": score,
            "psnr": 26.04,
            "leak": 0.066,
            mixed: 0.96,
            expression: 0.56,
            "identity[net:ab]": 0.991,
        },
        "colour_match": {"psnr": 19.1, mixed: 0.87, expression: 0.53},
        "shifted_mean": {"psnr": 23.88, mixed: 0.78, expression: 0.31},
        "re_encoded": {"score": 0.613, "psnr": 28.03},
    }
    return Evaluation(
        direction=direction,
        split="test",
        rows=[Row(key, key, "model", values) for key, values in rows.items()],
        metrics={},
        intervals={"score": (score - 0.05, score + 0.04)},
        per_clip={},
        per_frame={},
        frames=[],
        settings={"best_trivial_by_mse": "shifted_mean"},
    )


def test_it_is_a_table_with_a_column_per_direction() -> None:
    head, rule, *rows = summary([evaluation("A->B", 0.384), evaluation("B->A", 0.361)]).splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (head, *rows)]
    assert set(rule) == set("|- ")
    assert cells[0] == ["test clips", "A→B", "B→A"]
    assert cells[1][1:] == ["0.38 [0.33, 0.42]", "0.36 [0.31, 0.40]"]
    assert [row[1] for row in cells[2:]] == [
        "26.0 dB; 23.9 dB",
        "0.07",
        "0.96; 0.87",
        "0.56; 0.53",
        "0.99",
        "0.61, 28.0 dB",
    ]
    assert len({len(line) for line in (head, rule, *rows)}) == 1
