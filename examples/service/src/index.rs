//! Words, and the lines that they stand on.

use std::collections::HashMap;

/// The words of some texts. Case does not matter; a word is two or more letters, digits or `_`.
#[derive(Default)]
pub struct Index {
    titles: Vec<String>,
    places: HashMap<String, Vec<Place>>,
}

#[derive(Clone, Copy, PartialEq)]
struct Place {
    /// Which of the titles.
    text: u32,
    /// From 1.
    line: u32,
}

impl Index {
    /// Adds the words of a text.
    pub fn add(&mut self, title: &str, text: &str) {
        let number = self.titles.len() as u32;
        self.titles.push(title.to_owned());
        for (line, words) in (1..).zip(text.lines()) {
            let place = Place { text: number, line };
            let words = words.split(|c: char| !c.is_alphanumeric() && c != '_');
            for word in words.filter(|word| word.len() >= 2) {
                let places = self.places.entry(word.to_lowercase()).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
    }

    /// Where a word stands: titles and lines.
    pub fn find(&self, word: &str) -> impl Iterator<Item = (&str, u32)> {
        let places = self.places.get(&word.to_lowercase());
        let places = places.map_or(&[][..], Vec::as_slice).iter();
        places.map(|place| (&*self.titles[place.text as usize], place.line))
    }

    /// All words, in no order.
    pub fn words(&self) -> impl ExactSizeIterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_on_each_of_its_lines_once() {
        let mut index = Index::default();
        index.add("a", "one two\nTwo: two, a_b\n");
        index.add("b", "two");
        let found: Vec<_> = index.find("TWO").collect();
        assert_eq!(found, [("a", 1), ("a", 2), ("b", 1)]);
        assert_eq!(index.find("a_b").count(), 1);
        assert_eq!(index.find("three").count(), 0);
        assert_eq!(index.words().len(), 3);
    }
}
