//! Rows of sparse X in groups of about equal work, one for a workgroup of the sparse kernels.
//!
//! In texts most columns (words) have a few entries and some have thousands. A workgroup a row would leave nearly all its threads
//! without work most of the time, and one row would keep a workgroup busy when all others are done. Row-splitting and
//! packing: Yang, Buluç and Owens, Euro-Par 2018.

use std::cmp::Reverse;

/// Most entries of a group: longer rows are cut.
pub(crate) const SEGMENT: u64 = 512;
/// Most entries, and most rows, of a group of several rows: the kernels take so many at a time.
pub(crate) const PACKED: u32 = 64;

/// The rows of one window in groups.
#[derive(Debug, Default)]
pub(crate) struct Bins {
    /// First row, rows, first entry, end. First the pieces of long rows, then single rows, the longest first, then runs of
    /// short ones: the biggest start first.
    pub(crate) groups: Vec<[u32; 4]>,
    /// How many of the groups are pieces of long rows.
    pub(crate) pieces: u32,
    /// Long rows: row, first piece, end of its pieces.
    pub(crate) long: Vec<[u32; 3]>,
}

/// Pieces of a row with so many entries, none if it is not long.
pub(crate) fn pieces_of(entries: u64) -> u64 {
    if entries > SEGMENT { entries.div_ceil(SEGMENT) } else { 0 }
}

impl Bins {
    /// Of rows that begin at `starts`, the last one being the end. Each row is in one group, or in consecutive pieces.
    pub(crate) fn new(starts: &[u32]) -> Bins {
        let segment = SEGMENT as u32;
        let (mut groups, mut single, mut runs, mut long) = (Vec::new(), Vec::new(), Vec::<[u32; 4]>::new(), Vec::new());
        let mut joinable = false;
        for (row, pair) in (0..).zip(starts.windows(2)) {
            let (start, end) = (pair[0], pair[1]);
            let packed = end - start <= PACKED;
            if end - start > segment {
                let first = groups.len() as u32;
                groups.extend((start..end).step_by(SEGMENT as usize).map(|at| [row, 1, at, end.min(at + segment)]));
                long.push([row, first, groups.len() as u32]);
            } else if !packed {
                single.push([row, 1, start, end]);
            } else {
                match runs.last_mut() {
                    Some(run) if joinable && run[1] < PACKED && end - run[2] <= PACKED => {
                        run[1] += 1;
                        run[3] = end;
                    }
                    _ => runs.push([row, 1, start, end]),
                }
            }
            joinable = packed;
        }
        let pieces = groups.len() as u32;
        single.sort_by_key(|g| Reverse(g[3] - g[2]));
        groups.append(&mut single);
        groups.append(&mut runs);
        Bins { groups, pieces, long }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(lengths: &[u32]) -> Vec<u32> {
        let mut all = vec![0];
        all.extend(lengths.iter().scan(0, |at, n| {
            *at += n;
            Some(*at)
        }));
        all
    }

    /// Whatever the lengths: each entry and each row is somewhere, once, and no group is too large.
    #[test]
    fn groups_hold_every_row_once() {
        let mut mixed = Vec::new();
        for i in 0..3000u32 {
            let h = i.wrapping_mul(2_654_435_761) >> 8;
            mixed.push(match h % 11 {
                0 => h % 2000,
                1 => [63, 64, 65, 511, 512, 513, 1024, 1025][(h / 11 % 8) as usize],
                2..5 => 0,
                _ => h % 20,
            });
        }
        for lengths in [vec![], vec![0; 200], vec![1; 200], vec![5000], vec![64, 1, 63, 0, 65, 512, 513], mixed] {
            let starts = starts(&lengths);
            let bins = Bins::new(&starts);
            let mut seen: Vec<u64> = vec![0; lengths.len()];
            for (i, &[row, rows, first, end]) in bins.groups.iter().enumerate() {
                assert!(rows >= 1 && u64::from(end - first) <= SEGMENT);
                assert!(rows == 1 || (rows <= PACKED && end - first <= PACKED));
                if (i as u32) < bins.pieces {
                    assert_eq!(rows, 1);
                    assert!(first >= starts[row as usize] && end <= starts[row as usize + 1]);
                } else {
                    let last = (row + rows) as usize;
                    assert_eq!((first, end), (starts[row as usize], starts[last]));
                    seen[row as usize..last].iter_mut().for_each(|n| *n += 1);
                }
            }
            for &[row, first, end] in &bins.long {
                let pieces = &bins.groups[first as usize..end as usize];
                assert_eq!(pieces.len() as u64, pieces_of(lengths[row as usize].into()));
                assert!(pieces.iter().all(|p| p[0] == row) && pieces.windows(2).all(|p| p[0][3] == p[1][2]));
                assert_eq!(
                    (pieces[0][2], pieces[pieces.len() - 1][3]),
                    (starts[row as usize], starts[row as usize + 1])
                );
                seen[row as usize] += 1;
            }
            assert!(seen.iter().all(|n| *n == 1));
            assert_eq!(bins.long.len(), lengths.iter().filter(|n| u64::from(**n) > SEGMENT).count());
        }
    }

    #[test]
    fn short_rows_share_a_group_and_long_ones_come_first() {
        assert_eq!(Bins::new(&starts(&[1; 200])).groups.len(), 4);
        assert_eq!(Bins::new(&starts(&[20; 9])).groups.len(), 3);
        let bins = Bins::new(&starts(&[3, 70, 4, 600, 80, 2, 0, 5]));
        assert_eq!((bins.pieces, bins.long.len()), (2, 1));
        let lengths: Vec<u32> = bins.groups.iter().map(|g| g[3] - g[2]).collect();
        assert_eq!(lengths, [512, 88, 80, 70, 3, 4, 7]);
    }
}
