//! `set_local`: what a chunk is made of, written down where the filter will find it.

use crate::ID;
use crate::abi::{Caller, Hid};
use crate::host::Host;
use crate::report;
use crate::words::{self, Words};
use caesar_codec::{ByteOrder, Element, Kind, Options};

/// Bytes of which nothing is known.
pub const BYTES: Element = Element { kind: Kind::Opaque, size: 1, order: ByteOrder::Little };

/// Replaces the user's cd_values in `dcpl`, or those of a file that is being re-packed, by [`Words`].
///
/// Every element type and every chunk shape is accepted: HDF5 calls the filter even where it said that it cannot be applied.
pub fn set_local(caller: Caller, dcpl: Hid, element: Hid, space: Hid) -> Result<(), String> {
    let Some(host) = Host::of(caller).filter(Host::is_open) else {
        report::warn("this program hides its HDF5 library, so chunks are stored losslessly, as plain bytes");
        return Ok(());
    };
    let mut entry = host.entry(dcpl, ID)?;
    let options = words::options(&entry.words).and_then(Options::check).map_err(|error| error.to_string())?;
    let first = host.first_filter(dcpl)?;
    let words = if first == ID {
        let kind = host.element(element)?;
        let words = Words::new(options, kind, &host.extents(space)?);
        // A user's own comes first, that of a file which is packed again last.
        let told = words.fill.filter(|_| !words::are_ours(&entry.words));
        Words { fill: told.or_else(|| host.fill(dcpl, element, kind)).or(words.fill), ..words }
    } else {
        report::warn(&format!(
            "filter {first} comes first and turns values into other bytes, so chunks are stored losslessly; \
             put caesar first, without shuffle"
        ));
        Words::new(options, BYTES, &[])
    };
    entry.words = words.write();
    host.replace_entry(dcpl, ID, &entry)
}
