//! What the newtypes of this crate have in common.

/// Decoding checks what a constructor would: bytes from elsewhere are never trusted to hold a real day.
macro_rules! checked_decode {
    ($($name:ident($repr:ty) if $check:expr;)*) => {$(
        impl<Context> ::bincode::Decode<Context> for $name {
            fn decode<D: ::bincode::de::Decoder<Context = Context>>(
                decoder: &mut D,
            ) -> Result<Self, ::bincode::error::DecodeError> {
                let raw = <$repr as ::bincode::Decode<Context>>::decode(decoder)?;
                let check: fn($repr) -> Option<Self> = $check;
                check(raw).ok_or(::bincode::error::DecodeError::Other(concat!("not a valid ", stringify!($name))))
            }
        }

        ::bincode::impl_borrow_decode!($name);
    )*};
}

/// Serde and JSON Schema through `Display` and `FromStr`.
macro_rules! as_text {
    ($($name:ident: $pattern:literal, $description:literal;)*) => {$(
        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <::std::borrow::Cow<'de, str> as ::serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }

        impl ::schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                ::schemars::json_schema!({ "type": "string", "pattern": $pattern, "description": $description })
            }
        }
    )*};
}

pub(crate) use {as_text, checked_decode};
