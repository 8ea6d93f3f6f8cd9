import numpy as np
import pytest

from swaplab.synthetic.rasteriser import rasterise


def slow(points: np.ndarray, triangles: np.ndarray, height: int, width: int) -> dict[int, tuple[int, np.ndarray]]:
    """Every pixel centre against every triangle, in double precision."""
    nearest: dict[int, tuple[float, int, np.ndarray]] = {}
    for number, triangle in enumerate(triangles):
        corner = points[triangle].astype(np.float64)
        system = np.vstack([corner[:, :2].T, np.ones(3)])
        (ax, ay), (bx, by) = corner[1, :2] - corner[0, :2], corner[2, :2] - corner[0, :2]
        if ax * by - ay * bx >= 0:
            continue
        for row in range(height):
            for column in range(width):
                weights = np.linalg.solve(system, [column + 0.5, row + 0.5, 1])
                depth = weights @ corner[:, 2]
                pixel = row * width + column
                if (weights > 0).all() and (pixel not in nearest or depth < nearest[pixel][0]):
                    nearest[pixel] = (depth, number, weights)
    return {pixel: (number, weights) for pixel, (_, number, weights) in nearest.items()}


def test_matches_a_slow_reference() -> None:
    generator = np.random.default_rng(0)
    points = np.column_stack([generator.uniform(-4, 20, (40, 2)), generator.uniform(1, 9, 40)]).astype(np.float32)
    triangles = generator.integers(0, 40, (30, 3)).astype(np.int32)
    triangles = triangles[[len(set(t)) == 3 for t in triangles.tolist()]]
    expected = slow(points, triangles, 14, 17)
    actual = rasterise(points, triangles, 14, 17)
    assert list(actual.pixel) == sorted(expected)
    for pixel, triangle, weights in zip(actual.pixel, actual.triangle, actual.weights, strict=True):
        assert triangle == expected[pixel][0]
        np.testing.assert_allclose(weights, expected[pixel][1], atol=2e-4)


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_share_no_pixel_and_leave_no_gap(seed: int) -> None:
    generator = np.random.default_rng(seed)
    index = np.arange(81).reshape(9, 9)
    grid = np.stack(np.meshgrid(np.arange(9), np.arange(9)), -1) * 4.0
    grid[1:-1, 1:-1] += generator.uniform(-1.2, 1.2, (7, 7, 2)).round(1)  # many corners exactly on pixel centres
    points = np.column_stack([grid.reshape(-1, 2), np.ones(81)]).astype(np.float32)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    triangles = np.concatenate([np.stack([a, c, b], -1), np.stack([b, c, d], -1)]).reshape(-1, 3).astype(np.int32)
    assert len(rasterise(points, triangles, 32, 32).pixel) == 32 * 32
    assert sum(len(rasterise(points, t[None], 32, 32).pixel) for t in triangles) == 32 * 32


def test_the_back_of_a_triangle_and_what_is_outside_are_not_drawn() -> None:
    points = np.array([[1, 1, 5], [1, 9, 5], [9, 1, 5], [-9, -9, 5], [-9, -1, 5], [-1, -9, 5]], np.float32)
    assert len(rasterise(points, np.array([[0, 1, 2]], np.int32), 10, 10).pixel) > 20
    assert len(rasterise(points, np.array([[0, 2, 1], [3, 4, 5]], np.int32), 10, 10).pixel) == 0
