//! Labels of few values.
#![forbid(unsafe_code)]

use std::borrow::Cow;

/// A label whose values are known when the program is compiled.
///
/// Implemented for enums by [`label_values!`](crate::label_values), for `bool`, and for [`SmallInt`];
/// your own types may implement it. One that breaks the rules below does no harm but that its records
/// go to some other member of the family.
///
/// ```
/// use quipu::{Counter, LabelValue, TypedFamily};
/// use std::borrow::Cow;
///
/// /// An HTTP status, by its first digit.
/// struct Class(u16);
///
/// impl LabelValue for Class {
///     const COUNT: usize = 5;
///     fn index(self) -> usize {
///         usize::from(self.0 / 100).clamp(1, 5) - 1
///     }
///     fn text(index: usize) -> Cow<'static, str> {
///         format!("{}xx", index + 1).into()
///     }
/// }
///
/// let responses: TypedFamily<Counter, (Class,)> =
///     quipu::registry().counter("doc.responses").typed_family(["class"]).register()?;
/// responses.with((Class(404),)).increment();
///
/// let snapshot = quipu::registry().snapshot();
/// assert_eq!(snapshot.counter("doc.responses", &[("class", "4xx")]), Some(1));
/// # Ok::<(), quipu::RegisterError>(())
/// ```
pub trait LabelValue {
    /// How many values there are, at least 1.
    const COUNT: usize;

    /// Which one this is, less than `COUNT`.
    fn index(self) -> usize;

    /// What the label says for this index, each of the indices below `COUNT` something else: any text
    /// without NUL, up to 4,096 bytes. Called when a family is registered, and by its `iter`. Indices
    /// with the same text are one series.
    fn text(index: usize) -> Cow<'static, str>;
}

/// `"false"` and `"true"`.
impl LabelValue for bool {
    const COUNT: usize = 2;

    #[inline(always)]
    fn index(self) -> usize {
        usize::from(self)
    }

    fn text(index: usize) -> Cow<'static, str> {
        if index == 0 { "false".into() } else { "true".into() }
    }
}

/// A number from 0 to `COUNT - 1` as a label: a shard, a priority, a worker. The text is the number.
///
/// What is larger counts as the last one, so make `COUNT` one larger than needed where the two are to be
/// told apart.
///
/// ```
/// use quipu::SmallInt;
///
/// assert_eq!(SmallInt::<4>::new(2).get(), 2);
/// assert_eq!(SmallInt::<4>::new(100).get(), 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SmallInt<const COUNT: usize>(usize);

impl<const COUNT: usize> SmallInt<COUNT> {
    /// `value`, or `COUNT - 1` if that is less.
    #[inline(always)]
    pub const fn new(value: usize) -> Self {
        const { assert!(COUNT > 0, "a label has at least one value") };
        Self(if value < COUNT { value } else { COUNT - 1 })
    }

    /// The number.
    #[inline(always)]
    pub const fn get(self) -> usize {
        self.0
    }
}

impl<const COUNT: usize> LabelValue for SmallInt<COUNT> {
    const COUNT: usize = COUNT;

    #[inline(always)]
    fn index(self) -> usize {
        self.0
    }

    fn text(index: usize) -> Cow<'static, str> {
        index.to_string().into()
    }
}

/// Declares an enum that is a label, with the text of each value.
///
/// The enum has the attributes, documentation and visibility that it is given, and derives `Clone`,
/// `Copy`, `Debug`, `PartialEq` and `Eq`; the documentation of a value ends with its text. Two values
/// with the same text do not compile. An example stands at [`TypedFamily`](crate::TypedFamily).
///
/// ```compile_fail
/// quipu::label_values! { enum Method { Get = "GET", Post = "GET" } }
/// ```
#[macro_export]
macro_rules! label_values {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$value_attribute:meta])* $value:ident = $text:literal),+ $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $name {
            $(
                $(#[$value_attribute])*
                #[doc = ""]
                #[doc = concat!("Its text: `", $text, "`.")]
                $value
            ),+
        }

        const _: () = {
            const TEXTS: &[&str] = &[$($text),+];
            assert!($crate::__all_differ(TEXTS), "two values of a label have the same text");

            impl $crate::LabelValue for $name {
                const COUNT: usize = TEXTS.len();

                #[inline(always)]
                fn index(self) -> usize {
                    self as usize
                }

                fn text(index: usize) -> ::std::borrow::Cow<'static, str> {
                    ::std::borrow::Cow::Borrowed(TEXTS[index])
                }
            }
        };
    };
}

/// Whether no two texts are the same; for [`label_values!`](crate::label_values).
pub const fn all_differ(texts: &[&str]) -> bool {
    let mut one = 0;
    while one < texts.len() {
        let mut other = 0;
        while other < one {
            if same(texts[one].as_bytes(), texts[other].as_bytes()) {
                return false;
            }
            other += 1;
        }
        one += 1;
    }
    true
}

/// Slices cannot be compared by `==` in constants.
const fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}
