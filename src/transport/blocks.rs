//! How a large file is cut: into blocks, whose checksums are compared, and pieces, which travel.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use sha2::{Digest, Sha256};

use super::bundle::hex;

/// What has one checksum: an interrupted transfer begins again at such a block, and each is compared
/// while the next ones travel.
pub(super) const BLOCK: u64 = 8 * 1024 * 1024;

/// What is asked for and written at once; blocks are made of whole ones.
pub(super) const PIECE: usize = 256 * 1024;

/// How many blocks a file of this size has.
pub(super) fn count(size: u64) -> u64 {
    size.div_ceil(BLOCK)
}

/// How long a block of a file of this size is; beyond its end, nothing.
pub(super) fn length(size: u64, block: u64) -> u64 {
    size.saturating_sub(block.saturating_mul(BLOCK)).min(BLOCK)
}

/// The name of an unfinished file: hidden, and the same for the same file the next time, so that an
/// interrupted transfer finds what it left.
pub(super) fn part_name(of: &[&str]) -> String {
    let mut hash = Sha256::new();
    for word in of {
        hash.update(word.as_bytes());
        hash.update([0]);
    }
    let digits = hex(&hash.finalize());
    let short = digits.get(..20).unwrap_or(&digits);
    format!(".namdrunner-{short}.part")
}

/// The checksum of a part of a file; bytes beyond its end are left out.
pub(super) fn sum(file: &File, at: u64, length: u64) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; PIECE];
    let mut done = 0;
    while done < length {
        let room = usize::try_from(length - done).map_or(PIECE, |left| left.min(PIECE));
        let slice = buffer.get_mut(..room).unwrap_or_default();
        match file.read_at(slice, at + done) {
            Ok(0) => break,
            Ok(read) => {
                hash.update(slice.get(..read).unwrap_or_default());
                done += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_a_file() {
        for size in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK] {
            let total: u64 = (0..count(size)).map(|block| length(size, block)).sum();
            assert_eq!(total, size);
        }
        assert_eq!(BLOCK % PIECE as u64, 0);
    }

    #[test]
    fn the_same_file_has_the_same_part() {
        assert_eq!(part_name(&["a", "b"]), part_name(&["a", "b"]));
        assert_ne!(part_name(&["a", "b"]), part_name(&["ab", ""]));
    }
}
