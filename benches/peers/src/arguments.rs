//! What the program is told to do.
#![forbid(unsafe_code)]

use std::path::PathBuf;

/// Where everything is written if nothing else is said; not part of the repository.
const FOLDER: &str = "target/comparison";

#[derive(Debug, PartialEq, Eq)]
pub enum Task {
    /// All cases, then page and charts.
    Everything { is_quick: bool, folder: PathBuf },
    /// One case, with its own arguments.
    Case { name: String, arguments: Vec<String>, file: Option<PathBuf> },
    /// Page and charts of runs that were made before.
    Page { files: Vec<PathBuf>, folder: PathBuf },
}

impl Task {
    /// `None` if the arguments make no sense.
    pub fn parse(mut arguments: Vec<String>) -> Option<Self> {
        match arguments.first().map(String::as_str) {
            None => {}
            Some(option) if option.starts_with("--") => {}
            Some("page") => {
                let mut files: Vec<_> = arguments.drain(1..).map(PathBuf::from).collect();
                let folder = files.pop()?;
                return (!files.is_empty()).then_some(Self::Page { files, folder });
            }
            Some(_) => {
                let file = value(&mut arguments, "--json")?.map(PathBuf::from);
                let name = arguments.remove(0);
                return Some(Self::Case { name, arguments, file });
            }
        }
        let folder = value(&mut arguments, "--out")?.unwrap_or(FOLDER.into()).into();
        let is_quick = arguments == ["--quick"];
        (is_quick || arguments.is_empty()).then_some(Self::Everything { is_quick, folder })
    }
}

/// Takes an option and its value out of the arguments; `None` if the value is missing.
fn value(arguments: &mut Vec<String>, option: &str) -> Option<Option<String>> {
    let Some(at) = arguments.iter().position(|argument| argument == option) else {
        return Some(None);
    };
    (at + 1 < arguments.len()).then(|| arguments.drain(at..at + 2).next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Task> {
        Task::parse(line.split_whitespace().map(String::from).collect())
    }

    #[test]
    fn without_a_case_everything_is_measured() {
        let everything =
            |is_quick, folder: &str| Some(Task::Everything { is_quick, folder: folder.into() });
        assert_eq!(parse(""), everything(false, FOLDER));
        assert_eq!(parse("--quick --out there"), everything(true, "there"));
        assert_eq!(parse("--out there"), everything(false, "there"));
        assert_eq!(parse("--out"), None);
        assert_eq!(parse("--help"), None);
    }

    #[test]
    fn a_case_has_its_own_arguments_and_may_have_a_file() {
        let case = |arguments: &[&str], file: Option<&str>| {
            Some(Task::Case {
                name: "records".into(),
                arguments: arguments.iter().map(ToString::to_string).collect(),
                file: file.map(Into::into),
            })
        };
        assert_eq!(parse("records"), case(&[], None));
        assert_eq!(parse("records 3 --json it.json"), case(&["3"], Some("it.json")));
        assert_eq!(parse("records --json it.json 3"), case(&["3"], Some("it.json")));
        assert_eq!(parse("records --json"), None);
    }

    #[test]
    fn a_page_has_files_and_a_folder() {
        let page = |files: &[&str]| {
            let files = files.iter().map(Into::into).collect();
            Some(Task::Page { files, folder: "there".into() })
        };
        assert_eq!(parse("page one there"), page(&["one"]));
        assert_eq!(parse("page one two there"), page(&["one", "two"]));
        assert_eq!(parse("page one"), None);
        assert_eq!(parse("page"), None);
    }
}
