//! A flattened device tree from a tree that can only be walked.
//!
//! The layout is that of the Devicetree Specification, chapter 5, version 17: header, an empty reservation
//! block, structure, strings. Property names are not shared; a boot-time tree is small.

/// A device tree as the client interface shows it. Handles are firmware's; 0 is no node.
pub trait FirmwareTree {
    /// The root node.
    fn root(&mut self) -> Option<u32>;
    /// The first child of a node.
    fn child(&mut self, node: u32) -> Option<u32>;
    /// The next sibling of a node.
    fn peer(&mut self, node: u32) -> Option<u32>;
    /// Writes the name with its unit address (`cpu@0`) and returns its length.
    fn name(&mut self, node: u32, name: &mut [u8]) -> Option<usize>;
    /// Writes the name of the property after `previous` (empty: the first one) and returns its length.
    fn next_property(&mut self, node: u32, previous: &[u8], name: &mut [u8]) -> Option<usize>;
    /// Writes a property's value and returns its whole length, which may be more than fits.
    fn property(&mut self, node: u32, name: &[u8], value: &mut [u8]) -> Option<usize>;
}

/// Why a tree could not be flattened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlattenError {
    /// The buffer is too small.
    NoSpace,
    /// Firmware shows no root node.
    NoRoot,
    /// Nodes are nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

/// How deep nodes may be nested.
pub const MAX_DEPTH: usize = 16;

const NAME_MAX: usize = 64;
const HEADER_SIZE: usize = 40;
const RESERVATIONS_SIZE: usize = 16;
const STRUCTURE_START: usize = HEADER_SIZE + RESERVATIONS_SIZE;
const MAGIC: u32 = 0xd00d_feed;
const VERSION: u32 = 17;
const LAST_COMPATIBLE_VERSION: u32 = 16;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const END: u32 = 9;

/// Writes the flattened form of `tree` to the start of `blob` and returns its length in bytes.
///
/// # Errors
/// [`FlattenError`]; `blob` holds rubbish then.
pub fn flatten(tree: &mut dyn FirmwareTree, blob: &mut [u8]) -> Result<usize, FlattenError> {
    let size = blob.len();
    let mut writer = Writer {
        structure_end: STRUCTURE_START,
        strings_start: size,
        blob,
    };
    if size < STRUCTURE_START {
        return Err(FlattenError::NoSpace);
    }
    let mut node = tree.root().ok_or(FlattenError::NoRoot)?;
    let mut ancestors = [0u32; MAX_DEPTH];
    let mut depth = 0;
    loop {
        writer.begin(tree, node)?;
        if let Some(child) = tree.child(node) {
            *ancestors.get_mut(depth).ok_or(FlattenError::TooDeep)? = node;
            depth += 1;
            node = child;
            continue;
        }
        writer.cell(END_NODE)?;
        loop {
            if depth == 0 {
                writer.cell(END)?;
                return writer.finish();
            }
            if let Some(next) = tree.peer(node) {
                node = next;
                break;
            }
            depth -= 1;
            node = ancestors.get(depth).copied().ok_or(FlattenError::TooDeep)?;
            writer.cell(END_NODE)?;
        }
    }
}

/// Structure grows up from the start of the blob, strings grow down from its end.
struct Writer<'a> {
    blob: &'a mut [u8],
    structure_end: usize,
    strings_start: usize,
}

impl Writer<'_> {
    /// Opens a node and writes its properties.
    fn begin(&mut self, tree: &mut dyn FirmwareTree, node: u32) -> Result<(), FlattenError> {
        let mut name = [0; NAME_MAX];
        let length = tree.name(node, &mut name).unwrap_or(0);
        self.cell(BEGIN_NODE)?;
        self.bytes(name.get(..length).unwrap_or(&name))?;
        self.bytes(&[0])?;
        self.align();

        let mut name = [0; NAME_MAX];
        let mut length = 0;
        loop {
            let mut next = [0; NAME_MAX];
            let previous = name.get(..length).unwrap_or(&name);
            let Some(next_length) = tree.next_property(node, previous, &mut next) else {
                return Ok(());
            };
            (name, length) = (next, next_length.min(NAME_MAX));
            self.property(tree, node, name.get(..length).unwrap_or(&name))?;
        }
    }

    fn property(
        &mut self,
        tree: &mut dyn FirmwareTree,
        node: u32,
        name: &[u8],
    ) -> Result<(), FlattenError> {
        // In the flattened form a node's name is in its tag.
        if name == b"name" {
            return Ok(());
        }
        let header = self.structure_end;
        let value = header + 12;
        let room = self
            .blob
            .get_mut(value..self.strings_start)
            .ok_or(FlattenError::NoSpace)?;
        let space = room.len();
        let Some(length) = tree.property(node, name, room) else {
            return Ok(());
        };
        if length > space {
            return Err(FlattenError::NoSpace);
        }
        self.strings_start = self
            .strings_start
            .checked_sub(name.len() + 1)
            .ok_or(FlattenError::NoSpace)?;
        if self.strings_start < (value + length).next_multiple_of(4) {
            return Err(FlattenError::NoSpace);
        }
        // Counted from the end for now: where the strings begin is known only at the end.
        let from_end = self.blob.len() - self.strings_start;
        self.put(self.strings_start, name)?;
        self.put(self.strings_start + name.len(), &[0])?;
        self.cell(PROPERTY)?;
        self.cell(length as u32)?;
        self.cell(from_end as u32)?;
        self.structure_end = value + length;
        self.align();
        Ok(())
    }

    /// Moves the strings behind the structure, fixes the offsets and writes the header.
    fn finish(self) -> Result<usize, FlattenError> {
        let Self {
            blob,
            structure_end,
            strings_start,
        } = self;
        let strings_size = blob.len() - strings_start;
        blob.copy_within(strings_start.., structure_end);
        fix_names(blob, structure_end, strings_size as u32);
        let total = structure_end + strings_size;
        let header = [
            MAGIC,
            total as u32,
            STRUCTURE_START as u32,
            structure_end as u32,
            HEADER_SIZE as u32,
            VERSION,
            LAST_COMPATIBLE_VERSION,
            0,
            strings_size as u32,
            (structure_end - STRUCTURE_START) as u32,
        ];
        for (cell, value) in blob.chunks_exact_mut(4).zip(header) {
            cell.copy_from_slice(&value.to_be_bytes());
        }
        blob.get_mut(HEADER_SIZE..STRUCTURE_START)
            .ok_or(FlattenError::NoSpace)?
            .fill(0);
        Ok(total)
    }

    fn cell(&mut self, value: u32) -> Result<(), FlattenError> {
        self.bytes(&value.to_be_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), FlattenError> {
        if self.structure_end + bytes.len() > self.strings_start {
            return Err(FlattenError::NoSpace);
        }
        self.put(self.structure_end, bytes)?;
        self.structure_end += bytes.len();
        Ok(())
    }

    fn put(&mut self, at: usize, bytes: &[u8]) -> Result<(), FlattenError> {
        let place = self
            .blob
            .get_mut(at..at + bytes.len())
            .ok_or(FlattenError::NoSpace)?;
        place.copy_from_slice(bytes);
        Ok(())
    }

    /// Pads the structure to a multiple of four bytes with zeros.
    fn align(&mut self) {
        let end = self
            .structure_end
            .next_multiple_of(4)
            .min(self.strings_start);
        if let Some(padding) = self.blob.get_mut(self.structure_end..end) {
            padding.fill(0);
        }
        self.structure_end = end;
    }
}

fn read_cell(blob: &[u8], at: usize) -> Option<u32> {
    let bytes = blob.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Turns name offsets counted back from the end of the strings into offsets from their start.
fn fix_names(blob: &mut [u8], structure_end: usize, strings_size: u32) {
    let mut at = STRUCTURE_START;
    while at < structure_end {
        match read_cell(blob, at) {
            Some(BEGIN_NODE) => {
                let name = blob.get(at + 4..structure_end).unwrap_or(&[]);
                let length = name
                    .iter()
                    .position(|&byte| byte == 0)
                    .unwrap_or(name.len());
                at = (at + 4 + length + 1).next_multiple_of(4);
            }
            Some(PROPERTY) => {
                let length = read_cell(blob, at + 4).unwrap_or(0) as usize;
                let from_end = read_cell(blob, at + 8).unwrap_or(0);
                if let Some(place) = blob.get_mut(at + 8..at + 12) {
                    place.copy_from_slice(&strings_size.saturating_sub(from_end).to_be_bytes());
                }
                at = (at + 12 + length).next_multiple_of(4);
            }
            _ => at += 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    /// A tree in memory: node 1 is the root; handle n is entry n - 1.
    #[derive(Debug, Default)]
    struct Model {
        nodes: Vec<(usize, String, Vec<(String, Vec<u8>)>)>,
    }

    fn fill(bytes: &[u8], out: &mut [u8]) -> usize {
        let fits = bytes.len().min(out.len());
        out[..fits].copy_from_slice(&bytes[..fits]);
        bytes.len()
    }

    impl FirmwareTree for Model {
        fn root(&mut self) -> Option<u32> {
            (!self.nodes.is_empty()).then_some(1)
        }
        fn child(&mut self, node: u32) -> Option<u32> {
            (1..self.nodes.len())
                .find(|&n| self.nodes[n].0 == node as usize - 1)
                .map(|n| n as u32 + 1)
        }
        fn peer(&mut self, node: u32) -> Option<u32> {
            let parent = self.nodes[node as usize - 1].0;
            (node as usize..self.nodes.len())
                .find(|&n| self.nodes[n].0 == parent)
                .map(|n| n as u32 + 1)
        }
        fn name(&mut self, node: u32, name: &mut [u8]) -> Option<usize> {
            Some(fill(self.nodes[node as usize - 1].1.as_bytes(), name))
        }
        fn next_property(&mut self, node: u32, previous: &[u8], name: &mut [u8]) -> Option<usize> {
            let properties = &self.nodes[node as usize - 1].2;
            let next = match properties
                .iter()
                .position(|(name, _)| name.as_bytes() == previous)
            {
                Some(n) => n + 1,
                None => 0,
            };
            properties
                .get(next)
                .map(|(next, _)| fill(next.as_bytes(), name))
        }
        fn property(&mut self, node: u32, name: &[u8], value: &mut [u8]) -> Option<usize> {
            let properties = &self.nodes[node as usize - 1].2;
            properties
                .iter()
                .find(|(n, _)| n.as_bytes() == name)
                .map(|(_, bytes)| fill(bytes, value))
        }
    }

    fn model() -> impl Strategy<Value = Model> {
        let properties = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5);
        prop::collection::vec((any::<prop::sample::Index>(), properties), 1..12).prop_map(|nodes| {
            let mut model = Model::default();
            for (n, (parent, values)) in nodes.into_iter().enumerate() {
                let parent = if n == 0 { usize::MAX } else { parent.index(n) };
                let name = if n == 0 {
                    String::new()
                } else {
                    std::format!("node@{n:x}")
                };
                let values = values
                    .into_iter()
                    .enumerate()
                    .map(|(p, bytes)| (std::format!("p{p}"), bytes))
                    .collect();
                model.nodes.push((parent, name, values));
            }
            model
        })
    }

    proptest! {
        /// BOOT0010: every node and property is found again in the flattened tree, whatever the shape.
        #[test]
        fn round_trip(mut model in model()) {
            let mut blob = std::vec![0xffu8; 16384];
            let size = flatten(&mut model, &mut blob).unwrap();
            let tree = fdt::Fdt::new(&blob[..size]).unwrap();
            let found: Vec<_> = tree.all_nodes().collect();
            prop_assert_eq!(found.len(), model.nodes.len());
            for (_, name, properties) in &model.nodes {
                let wanted = if name.is_empty() { "/" } else { name };
                let node = found.iter().find(|node| node.name == wanted).unwrap();
                let values: Vec<_> = node.properties().map(|p| (String::from(p.name), p.value.to_vec())).collect();
                prop_assert_eq!(&values, properties);
            }
        }

        /// BOOT0011: a buffer that is too small is an error, never a broken tree.
        #[test]
        fn small_buffers(mut model in model(), size in 0usize..900) {
            let mut blob = std::vec![0u8; size];
            if let Ok(size) = flatten(&mut model, &mut blob) {
                prop_assert_eq!(fdt::Fdt::new(&blob[..size]).unwrap().all_nodes().count(), model.nodes.len());
            }
        }
    }
}
