//! Which queue depth and chunk size to use: the knee, behind which more of either costs memory and
//! latency and brings nothing. Pure.

/// How far below the best throughput still counts as the best: less than two runs of the same cell
/// differ by.
const TOLERANCE: f64 = 0.05;

/// What a cell reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) queue_depth: usize,
    /// Bytes.
    pub(super) chunk_size: usize,
    /// Median, of any unit.
    pub(super) throughput: f64,
    /// Microseconds.
    pub(super) p99_us: f64,
}

/// What is recommended, and what it is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Knee {
    /// The least in flight that is within the tolerance.
    pub(super) chosen: Point,
    /// The most throughput; of equals the one with the least in flight.
    pub(super) best: Point,
}

/// The knee of the cells that differ in queue depth and chunk size alone. The one with the fewest
/// bytes in flight (queue depth x chunk size: the memory it takes) of those whose throughput is
/// within 5 % of the best; of equals the one with the shorter queue. `None` of none.
pub(super) fn knee(points: &[Point]) -> Option<Knee> {
    let in_order = |one: &Point, other: &Point| {
        let cost = |point: &Point| (point.queue_depth * point.chunk_size, point.queue_depth);
        cost(one).cmp(&cost(other))
    };
    let by_throughput = |one: &Point, other: &Point| {
        let order = one.throughput.total_cmp(&other.throughput);
        order.then_with(|| in_order(other, one))
    };
    let best = points.iter().copied().max_by(by_throughput)?;
    let enough = best.throughput * (1.0 - TOLERANCE);
    let close = points.iter().copied().filter(|point| point.throughput >= enough);
    let chosen = close.min_by(in_order)?;
    Some(Knee { chosen, best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(cells: &[(usize, usize, f64)]) -> Vec<Point> {
        let point = |&(queue_depth, kib, throughput): &(usize, usize, f64)| Point {
            queue_depth,
            chunk_size: kib << 10,
            throughput,
            p99_us: 1.0,
        };
        cells.iter().map(point).collect()
    }

    fn chosen(cells: &[(usize, usize, f64)]) -> (usize, usize) {
        let chosen = knee(&points(cells)).unwrap().chosen;
        (chosen.queue_depth, chosen.chunk_size >> 10)
    }

    #[test]
    fn where_the_curve_flattens_is_the_knee() {
        let curve =
            [(1, 64, 400.0), (2, 64, 800.0), (4, 64, 1900.0), (8, 64, 1960.0), (16, 64, 1980.0)];
        assert_eq!(chosen(&curve), (4, 64));
        assert_eq!(knee(&points(&curve)).unwrap().best.queue_depth, 16);
    }

    #[test]
    fn a_noisy_plateau_is_one_plateau() {
        let noisy =
            [(1, 64, 500.0), (2, 64, 970.0), (4, 64, 1000.0), (8, 64, 951.0), (16, 64, 1002.0)];
        assert_eq!(chosen(&noisy), (2, 64));
    }

    #[test]
    fn of_equals_the_one_with_the_least_in_flight_wins() {
        assert_eq!(chosen(&[(8, 1024, 7.0), (8, 64, 7.0), (16, 64, 7.0)]), (8, 64));
        assert_eq!(chosen(&[(16, 64, 7.0), (1, 1024, 7.0), (4, 256, 7.0)]), (1, 1024));
        assert_eq!(knee(&points(&[(2, 64, 7.0), (1, 64, 7.0)])).unwrap().best.queue_depth, 1);
    }

    #[test]
    fn one_cell_is_its_own_knee_and_none_has_none() {
        assert_eq!(chosen(&[(3, 4, 0.0)]), (3, 4));
        assert_eq!(knee(&[]), None);
    }
}
