//! Bytes of rows. Values of the contract go through its codec, rows are their fields one after the other.

use event_schemas::codec::{CodecError, decode_from, encode_into};

/// Something that lies in a row. Loading consumes exactly what storing wrote.
pub(crate) trait Stored: Sized {
    fn store(&self, out: &mut Vec<u8>) -> Result<(), CodecError>;
    fn load(input: &mut &[u8]) -> Result<Self, CodecError>;
}

/// Longest list inside one row.
const MAX_LIST: usize = 20_000;

impl<T: Stored> Stored for Vec<T> {
    fn store(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        encode_into(&(self.len() as u32), out)?;
        for item in self {
            item.store(out)?;
        }
        Ok(())
    }

    fn load(input: &mut &[u8]) -> Result<Self, CodecError> {
        let count = decode_from::<u32>(input)? as usize;
        if count > MAX_LIST {
            return Err(CodecError::TooMany { what: "a list in a row", count, max: MAX_LIST });
        }
        let mut items = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            items.push(T::load(input)?);
        }
        Ok(items)
    }
}

impl<T: Stored> Stored for Option<T> {
    fn store(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        encode_into(&self.is_some(), out)?;
        match self {
            Some(value) => value.store(out),
            None => Ok(()),
        }
    }

    fn load(input: &mut &[u8]) -> Result<Self, CodecError> {
        match decode_from::<bool>(input)? {
            true => T::load(input).map(Some),
            false => Ok(None),
        }
    }
}

/// Stores a struct field by field: `value` fields are values of the contract, `part` fields are [`Stored`] themselves.
macro_rules! stored {
    ($($name:ident { $($how:ident $field:ident),* $(,)? })*) => {$(
        impl $crate::stored::Stored for $name {
            fn store(&self, out: &mut Vec<u8>) -> Result<(), ::event_schemas::codec::CodecError> {
                $($crate::stored::stored!(@store $how self.$field, out);)*
                Ok(())
            }

            fn load(input: &mut &[u8]) -> Result<Self, ::event_schemas::codec::CodecError> {
                Ok(Self { $($field: $crate::stored::stored!(@load $how input),)* })
            }
        }
    )*};
    (@store value $value:expr, $out:ident) => { ::event_schemas::codec::encode_into(&$value, $out)? };
    (@store part $value:expr, $out:ident) => { $crate::stored::Stored::store(&$value, $out)? };
    (@load value $input:ident) => { ::event_schemas::codec::decode_from($input)? };
    (@load part $input:ident) => { $crate::stored::Stored::load($input)? };
}

/// Lets rows lie in pages.
macro_rules! page_rows {
    ($($name:ident)*) => {$(
        impl ::state_store::pages::PageRow for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                $crate::stored::Stored::store(self, out).expect("writing into memory does not fail");
            }

            fn decode(input: &mut &[u8]) -> Result<Self, ::state_store::pages::PageError> {
                $crate::stored::Stored::load(input)
                    .map_err(|error| ::state_store::pages::PageError::new(format!("{}: {error}", stringify!($name))))
            }
        }
    )*};
}

pub(crate) use {page_rows, stored};
