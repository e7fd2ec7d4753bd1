//! Which file systems belong to this machine alone.
//!
//! Asked the safe way round: what is not known to be local is treated as a network.

use std::path::Path;

/// Whether a file or directory lies on a file system of this machine, or the name of what it lies on.
pub(super) fn local(path: &Path) -> Result<(), String> {
    known(path)
}

#[cfg(target_os = "linux")]
fn known(path: &Path) -> Result<(), String> {
    let found = rustix::fs::statfs(path).map_err(|e| format!("unknown ({e})"))?;
    // The magic is a 32-bit number in a field whose type and sign depend on the platform.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::unnecessary_cast
    )]
    let magic = found.f_type as u32;
    judge(magic)
}

#[cfg(target_os = "macos")]
fn known(path: &Path) -> Result<(), String> {
    /// `MNT_LOCAL` of `<sys/mount.h>`: "file system is stored locally".
    const MNT_LOCAL: u32 = 0x1000;
    let found = rustix::fs::statfs(path).map_err(|e| format!("unknown ({e})"))?;
    if found.f_flags & MNT_LOCAL == 0 {
        return Err("on the network".to_owned());
    }
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn known(_path: &Path) -> Result<(), String> {
    Err("unknown".to_owned())
}

/// Local file systems by their magic (statfs(2), `linux/magic.h`).
#[cfg(any(target_os = "linux", test))]
const LOCAL: [(u32, &str); 13] = [
    (0x0000_EF53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683E, "btrfs"),
    (0x2FC1_2FC1, "zfs"),
    (0xCA45_1A4E, "bcachefs"),
    (0xF2F5_2010, "f2fs"),
    (0x3153_464A, "jfs"),
    (0x5265_4973, "reiserfs"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58F6, "ramfs"),
    (0x794C_7630, "overlayfs"),
    (0x0000_F15F, "ecryptfs"),
    (0x0000_3434, "nilfs"),
];

/// Others that are met, for the message. FUSE may be anything, sshfs among it; 9p is how WSL and
/// virtual machines show the host's files.
#[cfg(any(target_os = "linux", test))]
const OTHER: [(u32, &str); 14] = [
    (0x0000_6969, "NFS"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x0000_517B, "SMB"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0xAAD7_AAEA, "PanFS"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0x7461_636F, "OCFS2"),
];

#[cfg(any(target_os = "linux", test))]
fn judge(magic: u32) -> Result<(), String> {
    if LOCAL.iter().any(|(known, _)| *known == magic) {
        return Ok(());
    }
    Err(OTHER.iter().find(|(known, _)| *known == magic).map_or_else(
        || format!("of an unknown kind ({magic:#x})"),
        |(_, name)| (*name).to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_strangers_are_not_local() {
        assert_eq!(judge(0x6969), Err("NFS".to_owned()));
        assert_eq!(judge(0x0BD0_0BD0), Err("Lustre".to_owned()));
        assert_eq!(judge(0x6573_5546), Err("FUSE".to_owned()));
        assert_eq!(judge(1), Err("of an unknown kind (0x1)".to_owned()));
        assert_eq!(judge(0xEF53), Ok(()));
    }

    #[test]
    fn no_magic_is_on_both_lists() {
        for (magic, name) in LOCAL {
            assert!(OTHER.iter().all(|(other, _)| *other != magic), "{name}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_is_asked() {
        // procfs is on every Linux and holds no databases.
        assert_eq!(
            local(Path::new("/proc")),
            Err("of an unknown kind (0x9fa0)".to_owned())
        );
        assert!(local(Path::new("/no/such/directory")).is_err());
    }
}
