//! How much of a fragmented MP4 file can be played: its boxes, read. ISO/IEC 14496-12, sections 4.2 and 8.8.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What a film has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Film {
    /// Its pictures.
    pub(crate) frames: u64,
    /// How long it plays.
    pub(crate) duration_ms: u64,
}

/// No header of a recording is larger, in bytes.
const LARGEST: u64 = 16 << 20;

/// What of a file plays: all fragments whose pictures are there. `None` where there is none, or no header.
pub(crate) fn film(path: &Path) -> io::Result<Option<Film>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let (mut at, mut scale, mut usual) = (0, None, 0);
    let (mut frames, mut time) = (0, 0);
    let mut fragment = None;
    while let Some((kind, begin, end)) = head(&file, at, length)? {
        let content = || {
            let mut bytes = vec![0; usize::try_from(end - begin).unwrap_or_default()];
            file.read_exact_at(&mut bytes, begin).map(|()| bytes)
        };
        match &kind {
            b"moov" if end - begin <= LARGEST => {
                let moov = content()?;
                scale = inside(&moov, &[*b"trak", *b"mdia", *b"mdhd"]).and_then(|mdhd| {
                    // Version 1 has longer times before it.
                    number(mdhd, if mdhd.first() == Some(&1) { 20 } else { 12 })
                });
                usual = inside(&moov, &[*b"mvex", *b"trex"]).and_then(|trex| number(trex, 12)).unwrap_or_default();
            }
            b"moof" if end - begin <= LARGEST => fragment = Some(pictures(&content()?, usual)),
            b"mdat" => {
                let (more, longer) = fragment.take().unwrap_or_default();
                frames += more;
                time += longer;
            }
            _ => {}
        }
        at = end;
    }
    let Some(scale) = scale.filter(|scale| *scale > 0 && frames > 0) else { return Ok(None) };
    Ok(Some(Film { frames, duration_ms: time * 1000 / u64::from(scale) }))
}

/// A box that is there as a whole: its kind, where its content begins and ends.
fn head(file: &File, at: u64, length: u64) -> io::Result<Option<([u8; 4], u64, u64)>> {
    let mut bytes = [0; 16];
    let there = (length - at).min(16) as usize;
    file.read_exact_at(&mut bytes[..there], at)?;
    let kind = [bytes[4], bytes[5], bytes[6], bytes[7]];
    let (size, head) = match number(&bytes, 0) {
        Some(1) => (u64::from_be_bytes(bytes[8..].try_into().expect("eight of them")), 16),
        Some(size) => (u64::from(size), 8),
        None => (0, 8),
    };
    let end = at.checked_add(size).filter(|end| size >= head && *end <= length);
    Ok(end.map(|end| (kind, at + head, end)))
}

/// How many pictures a fragment has, and how long they are shown.
fn pictures(moof: &[u8], usual: u32) -> (u64, u64) {
    const OWN_DURATION: u32 = 0x8;
    const DATA_OFFSET: u32 = 0x1;
    const FIRST_FLAGS: u32 = 0x4;
    const DURATION: u32 = 0x100;
    let flags = |content: &[u8]| number(content, 0).unwrap_or_default() & 0xff_ffff;
    let Some(track) = inside(moof, &[*b"traf"]) else { return (0, 0) };
    let usual = inside(track, &[*b"tfhd"]).map_or(usual, |tfhd| {
        // Two optional fields stand before it: eight bytes and four.
        let at = 8 + 8 * usize::from(flags(tfhd) & 1 != 0) + 4 * usize::from(flags(tfhd) & 2 != 0);
        number(tfhd, at).filter(|_| flags(tfhd) & OWN_DURATION != 0).unwrap_or(usual)
    });
    let (mut frames, mut time) = (0, 0);
    for trun in boxes(track).filter(|(kind, _)| kind == b"trun").map(|(_, content)| content) {
        let (flags, count) = (flags(trun), number(trun, 4).unwrap_or_default());
        let first = 8 + 4 * usize::from(flags & DATA_OFFSET != 0) + 4 * usize::from(flags & FIRST_FLAGS != 0);
        let each = 4 * (flags >> 8 & 0xf).count_ones() as usize;
        for index in 0..count as usize {
            let own = if flags & DURATION != 0 { number(trun, first + index * each) } else { None };
            time += u64::from(own.unwrap_or(usual));
        }
        frames += u64::from(count);
    }
    (frames, time)
}

/// The content of the first box on this way down.
fn inside<'a>(bytes: &'a [u8], way: &[[u8; 4]]) -> Option<&'a [u8]> {
    way.iter().try_fold(bytes, |bytes, kind| boxes(bytes).find(|(found, _)| found == kind).map(|(_, content)| content))
}

/// The boxes in a box.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let size = number(bytes, 0)? as usize;
        let kind = bytes.get(4..8)?.try_into().ok()?;
        let content = bytes.get(8..size)?;
        bytes = &bytes[size..];
        Some((kind, content))
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, content].concat()
    }

    fn numbers(all: &[u32]) -> Vec<u8> {
        all.iter().flat_map(|one| one.to_be_bytes()).collect()
    }

    #[test]
    fn only_whole_fragments_count() {
        let mdia = a_box(b"mdia", &a_box(b"mdhd", &numbers(&[0, 0, 0, 1000, 0])));
        let trex = a_box(b"trex", &numbers(&[0, 1, 1, 40, 0, 0]));
        let moov = a_box(b"moov", &[a_box(b"trak", &mdia), a_box(b"mvex", &trex)].concat());
        let fragment = |tfhd: &[u32], trun: &[u32]| {
            let traf = [a_box(b"tfhd", &numbers(tfhd)), a_box(b"trun", &numbers(trun))].concat();
            [a_box(b"moof", &a_box(b"traf", &traf)), a_box(b"mdat", &[0; 100])].concat()
        };
        // Three of the usual duration; two of 500; two with their own, between them their sizes.
        let usual = fragment(&[0, 1], &[0, 3]);
        let theirs = fragment(&[0x8 | 0x2, 1, 1, 500], &[0x1, 2, 9]);
        let own = fragment(&[0, 1], &[0x100 | 0x200 | 0x4, 2, 0, 70, 1, 80, 1]);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("film");
        let read = |parts: &[&[u8]]| {
            std::fs::write(&path, parts.concat()).unwrap();
            film(&path).unwrap()
        };
        let all: [&[u8]; 5] = [&a_box(b"ftyp", b"iso5"), &moov, &usual, &theirs, &own];
        assert_eq!(read(&all), Some(Film { frames: 7, duration_ms: 120 + 1000 + 150 }));
        assert_eq!(read(&[&moov, &usual, &theirs[..theirs.len() - 1]]), Some(Film { frames: 3, duration_ms: 120 }));
        assert_eq!(read(&[&moov, &usual[..usual.len() - 1]]), None);
        for nothing in [&[][..], &moov, &usual, b"no film at all, whatever it is called", &[0; 64]] {
            assert_eq!(read(&[nothing]), None);
        }
    }
}
