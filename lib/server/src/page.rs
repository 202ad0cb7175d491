//! Events that were read at once, as they are sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use engine::follow::push;
use engine::{Failure, Lines};
use hyper::body::Bytes;
use schema::line::LineWriter;
use store::{Select, Session, Store};
use tokio::sync::OnceCell;

use crate::hub::held;

/// How each event stands in a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As the stored line.
    Lines,
    /// As an event of a flow, whose id is its sequence.
    Flow,
}

/// Events of one session.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) text: Bytes,
    /// Where each ends in the text.
    ends: Vec<usize>,
    /// Everything up to this sequence has been read.
    pub(crate) last: i64,
    /// There may be more: it has as many as were asked for.
    pub(crate) is_full: bool,
}

impl Page {
    pub(crate) fn read(store: &Store, session: &Session, select: &Select<'_>, form: Form) -> Result<Page, Failure> {
        let (mut lines, mut writer) = (Lines::default(), LineWriter::default());
        let (mut ends, mut last) = (Vec::new(), select.after);
        store.read(session, select, &mut |event| {
            if form == Form::Flow {
                lines.bytes.extend_from_slice(format!("id: {}\ndata: ", event.sequence).as_bytes());
            }
            push(&mut lines, &mut writer, &event, false);
            if form == Form::Flow {
                // (A line brings its own end; an event ends with an empty one.)
                lines.bytes.push(b'\n');
            }
            ends.push(lines.bytes.len());
            last = event.sequence;
        })?;
        let is_full = ends.len() == select.limit;
        Ok(Page { text: lines.bytes.into(), ends, last, is_full })
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The events: where each ends in the text, and its own text.
    pub(crate) fn events(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            let text = str::from_utf8(&self.text[begin..*end]).expect("JSON that we wrote is UTF-8");
            begin = *end;
            (*end, text)
        })
    }
}

/// The pages of a session that were read last: a thousand who follow want the same one at the same time, and one of them reads it.
#[derive(Default)]
pub(crate) struct Pages(Mutex<VecDeque<Arc<Slot>>>);

/// Where a page is, once the first who wants it has read it.
pub(crate) struct Slot {
    /// The sequence that it begins after.
    after: i64,
    /// The last sequence that was known of before it was read.
    last: i64,
    pub(crate) page: OnceCell<Page>,
}

impl Pages {
    /// Pages that are kept: who is a little behind finds his too.
    const KEPT: usize = 4;

    /// The page after a sequence, of a session that was seen to have come this far.
    pub(crate) fn slot(&self, after: i64, last: i64) -> Arc<Slot> {
        let mut slots = held(&self.0);
        let serves = |slot: &&Arc<Slot>| {
            slot.after == after && (slot.last >= last || slot.page.get().is_some_and(|page| page.is_full))
        };
        if let Some(slot) = slots.iter().find(serves) {
            return Arc::clone(slot);
        }
        if slots.len() == Pages::KEPT {
            slots.pop_front();
        }
        let slot = Arc::new(Slot { after, last, page: OnceCell::new() });
        slots.push_back(Arc::clone(&slot));
        slot
    }

    /// Gives their memory back.
    pub(crate) fn forget(&self) {
        *held(&self.0) = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_ends_before_what_is_known_is_read_again() {
        let pages = Pages::default();
        let slot = pages.slot(0, 5);
        assert!(Arc::ptr_eq(&slot, &pages.slot(0, 5)));
        assert!(Arc::ptr_eq(&slot, &pages.slot(0, 3)));
        let page = |last, is_full| Page { text: Bytes::new(), ends: Vec::new(), last, is_full };
        slot.page.set(page(5, false)).unwrap();
        let next = pages.slot(0, 6);
        assert!(!Arc::ptr_eq(&slot, &next));
        assert!(!Arc::ptr_eq(&next, &pages.slot(5, 6)));
        // One that ends because it is full is the same whatever follows.
        next.page.set(page(6, true)).unwrap();
        assert!(Arc::ptr_eq(&next, &pages.slot(0, 9)));
        pages.forget();
        assert!(!Arc::ptr_eq(&next, &pages.slot(0, 6)));
    }
}
