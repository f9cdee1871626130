use super::*;
use abi::linux::{OutputFlags, Termios};
use proptest::prelude::*;
use std::string::String;
use std::vec;

struct Line {
    settings: Settings,
    discipline: Discipline,
    output: Output,
}

impl Line {
    fn new() -> Self {
        Self {
            settings: Settings::default(),
            discipline: Discipline::default(),
            output: Output::default(),
        }
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    fn character(mut self, place: usize, byte: u8) -> Self {
        let mut termios = Termios::from(self.settings);
        termios.cc[place] = byte;
        self.settings = termios.into();
        self
    }

    fn type_in(&mut self, bytes: &[u8]) -> Vec<Meaning> {
        bytes
            .iter()
            .map(|byte| {
                self.discipline
                    .receive(&self.settings, &mut self.output, *byte)
            })
            .collect()
    }

    fn read(&mut self, room: usize) -> Option<Vec<u8>> {
        let bytes = self.discipline.next(&self.settings, room)?.to_vec();
        self.discipline.consume(&self.settings, bytes.len());
        Some(bytes)
    }

    fn shown(&mut self) -> String {
        let mut all = Vec::new();
        self.output.flush(|bytes| {
            all.extend_from_slice(bytes);
            bytes.len()
        });
        String::from_utf8_lossy(&all).into_owned()
    }
}

#[test]
fn a_line_is_read_when_it_is_complete() {
    let mut line = Line::new();
    line.type_in(b"ls -l");
    assert_eq!(line.read(99), None);
    assert_eq!(line.type_in(b"\r"), [Meaning::Input]);
    line.type_in(b"next\n");
    assert_eq!(line.discipline.available(&line.settings), 11);
    assert_eq!(line.read(3).unwrap(), b"ls ");
    assert_eq!(line.read(99).unwrap(), b"-l\n");
    assert_eq!(line.read(99).unwrap(), b"next\n");
    assert_eq!(line.shown(), "ls -l\r\nnext\r\n");
}

#[test]
fn end_of_file_is_an_empty_line_or_ends_one() {
    let mut line = Line::new();
    line.type_in(b"abc\x04\x04");
    assert_eq!(line.read(99).unwrap(), b"abc");
    assert_eq!(line.read(99).unwrap(), b"");
    assert_eq!(line.read(99), None);
    assert_eq!(line.shown(), "abc");
}

#[test]
fn erased_characters_leave_the_screen() {
    let mut line = Line::new();
    line.type_in("ab\x7fc\u{e9}\x7f\x01\x7f\n".as_bytes());
    assert_eq!(line.read(99), Some(b"ac\n".to_vec()));
    assert_eq!(
        line.shown(),
        "ab\x08 \x08c\u{e9}\x08 \x08^A\x08 \x08\x08 \x08\r\n"
    );
    line.type_in(b"a\t\x7f\x7f\x7f\x7f");
    assert_eq!(
        line.shown(),
        std::format!("a\t{}\x08 \x08", "\x08".repeat(7))
    );
}

#[test]
fn words_and_lines_are_erased() {
    let mut line = Line::new();
    line.type_in(b"one two, \x17\n");
    assert_eq!(line.read(99).unwrap(), b"one \n");
    line.type_in(b"gone\x15here\n");
    assert_eq!(line.read(99).unwrap(), b"here\n");
    line = Line::new().set(|settings| settings.local.remove(LocalFlags::ECHOKE));
    line.type_in(b"gone\x15here\n");
    assert_eq!(
        (line.shown().as_str(), line.read(99).unwrap().as_slice()),
        ("gone^U\r\nhere\r\n", &b"here\n"[..])
    );
}

#[test]
fn the_next_character_is_taken_literally() {
    let mut line = Line::new();
    line.type_in(b"\x16\x03\x16\r\n");
    assert_eq!(line.read(99).unwrap(), b"\x03\r\n");
    assert_eq!(line.shown(), "^\x08^C^\x08^M\r\n");
}

#[test]
fn the_line_is_reprinted() {
    let mut line = Line::new();
    line.type_in(b"ab\x01\x12");
    assert_eq!(line.shown(), "ab^A^R\r\nab^A");
}

#[test]
fn characters_mean_signals_and_drop_what_was_typed() {
    let mut line = Line::new();
    let meanings = line.type_in(b"junk\x03");
    assert_eq!(
        meanings.last(),
        Some(&Meaning::Signal(SignalNumber::SIGINT))
    );
    assert_eq!(
        line.type_in(b"\x1c\x1a"),
        [SignalNumber::SIGQUIT, SignalNumber::SIGTSTP].map(Meaning::Signal)
    );
    line.type_in(b"ok\n");
    assert_eq!(line.read(99).unwrap(), b"ok\n");
    let mut line = Line::new().set(|settings| settings.local |= LocalFlags::NOFLSH);
    line.type_in(b"kept\x03\n");
    assert_eq!(
        (line.read(99).unwrap(), line.shown().as_str()),
        (b"kept\n".to_vec(), "kept^C\r\n")
    );
    let mut line = Line::new().set(|settings| settings.local.remove(LocalFlags::ISIG));
    line.type_in(b"\x03\n");
    assert_eq!(line.read(99).unwrap(), b"\x03\n");
}

#[test]
fn stop_and_start_control_output() {
    let mut line = Line::new();
    assert_eq!(line.type_in(b"\x13"), [Meaning::Flow]);
    line.type_in(b"held\n");
    assert_eq!(line.shown(), "");
    line.type_in(b"\x11");
    assert_eq!(line.shown(), "held\r\n");
    let mut line = Line::new().set(|settings| settings.input |= InputFlags::IXANY);
    line.type_in(b"\x13x");
    assert_eq!(line.shown(), "x");
}

#[test]
fn returns_and_new_lines_are_translated() {
    let mut line =
        Line::new().set(|settings| settings.input = InputFlags::IGNCR | InputFlags::INLCR);
    line = line.set(|settings| settings.local.remove(LocalFlags::ICANON));
    line.type_in(b"a\rb\n");
    assert_eq!(line.read(99).unwrap(), b"ab\r");
    line = line.set(|settings| settings.input = InputFlags::ISTRIP);
    line.type_in(&[0xe1, b'\r']);
    assert_eq!(line.read(99).unwrap(), b"a\r");
}

#[test]
fn nothing_is_shown_without_echo_but_new_lines_can_be() {
    let mut line = Line::new().set(|settings| settings.local.remove(LocalFlags::ECHO));
    line.type_in(b"secret\x7f\n");
    assert_eq!(line.shown(), "");
    line = line.set(|settings| settings.local |= LocalFlags::ECHONL);
    line.type_in(b"secret\n");
    assert_eq!(line.shown(), "\r\n");
}

#[test]
fn a_disabled_character_is_an_ordinary_one() {
    let mut line = Line::new().character(VINTR, 0).character(VEOL, b';');
    line.type_in(b"\x00\x03a;");
    assert_eq!(line.read(99).unwrap(), b"\x00\x03a;");
}

#[test]
fn what_was_typed_survives_a_change_of_mode() {
    let mut line = Line::new();
    line.type_in(b"done\n\x04half");
    let raw = line.settings.set_local(LocalFlags::ICANON, false);
    line.discipline.change(&line.settings.clone(), &raw);
    line.settings = raw;
    assert_eq!(line.discipline.available(&raw), 9);
    assert_eq!(line.read(2).unwrap(), b"do");
    let cooked = raw.set_local(LocalFlags::ICANON, true);
    line.discipline.change(&raw, &cooked);
    line.settings = cooked;
    assert_eq!(line.read(99).unwrap(), b"ne\nhalf");
    assert_eq!(line.read(99), None);
}

impl Settings {
    fn set_local(mut self, flag: LocalFlags, on: bool) -> Self {
        self.local.set(flag, on);
        self
    }
}

#[test]
fn an_endless_line_is_refused_but_can_be_ended() {
    let mut line = Line::new().set(|settings| settings.input |= InputFlags::IMAXBEL);
    line.type_in(&vec![b'x'; 5000]);
    assert!(line.discipline.has_room(&line.settings));
    line.shown();
    line.type_in(b"y");
    assert_eq!(line.shown(), "\x07");
    line.type_in(b"\n");
    assert!(!line.discipline.has_room(&line.settings));
    assert_eq!(line.read(9999).unwrap().len(), FULL);
}

#[test]
fn output_is_processed() {
    let print = |flags, bytes: &[u8]| {
        let mut line = Line::new().set(|settings| settings.output = OutputFlags::OPOST | flags);
        line.output.print(&line.settings, bytes);
        line.shown()
    };
    assert_eq!(print(OutputFlags::ONLCR, b"a\nb"), "a\r\nb");
    assert_eq!(print(OutputFlags::TABDLY, b"ab\tc"), "ab      c");
    assert_eq!(print(OutputFlags::OLCUC, b"ab"), "AB");
    assert_eq!(
        print(OutputFlags::OCRNL | OutputFlags::ONLRET, b"a\rb"),
        "a\nb"
    );
    assert_eq!(print(OutputFlags::ONOCR, b"\ra\r"), "a\r");
    let mut line = Line::new().set(|settings| settings.output = OutputFlags::ONLCR);
    line.output.print(&line.settings, b"a\n");
    assert_eq!(line.shown(), "a\n");
}

/// What a line of a glass terminal shows after some output.
fn screen(shown: &str) -> String {
    let (mut cells, mut at) = (Vec::<char>::new(), 0usize);
    for character in shown.chars() {
        match character {
            '\x08' => at = at.saturating_sub(1),
            '\t' => at += 8 - at % 8,
            other => {
                cells.resize(cells.len().max(at + 1), ' ');
                cells[at] = other;
                at += 1;
            }
        }
    }
    cells.truncate(at.min(cells.len()));
    let mut text: String = cells.into_iter().collect();
    while text.chars().count() < at {
        text.push(' ');
    }
    text
}

proptest! {
    /// Whatever is typed and erased, the screen shows what the program will read.
    #[test]
    fn the_screen_shows_the_line(keys in prop::collection::vec(prop_oneof![
        6 => prop::char::range('a', 'e').prop_map(String::from),
        2 => Just(String::from("\t")),
        2 => Just(String::from("\x01")),
        2 => Just(String::from("\u{e9}")),
        1 => Just(String::from(" ")),
        4 => Just(String::from("\x7f")),
        1 => Just(String::from("\x17")),
        1 => Just(String::from("\x15")),
    ], 0..60)) {
        let mut line = Line::new();
        let mut model: Vec<char> = Vec::new();
        for key in &keys {
            match key.as_str() {
                "\x7f" => { model.pop(); }
                "\x15" => model.clear(),
                "\x17" => {
                    let word = |character: &char| character.is_alphanumeric();
                    while model.last().is_some_and(|last| !word(last)) { model.pop(); }
                    while model.last().is_some_and(word) { model.pop(); }
                }
                other => model.extend(other.chars()),
            }
            line.type_in(key.as_bytes());
        }
        let shown: String = model.iter().map(|character| match character {
            '\x01' => String::from("^A"),
            other => String::from(*other),
        }).collect();
        prop_assert_eq!(screen(&line.shown()), screen(&shown));
        line.type_in(b"\n");
        let expected: String = model.iter().chain(&['\n']).collect();
        prop_assert_eq!(line.read(9999).unwrap(), expected.as_bytes());
    }

    /// No input is lost or doubled by reading it in pieces, whatever the mode.
    #[test]
    fn input_is_read_as_it_was_typed(lines in prop::collection::vec("[a-z]{0,20}", 0..20), room in 1usize..30, raw in any::<bool>()) {
        let mut line = Line::new().set(|settings| settings.local.set(LocalFlags::ICANON, !raw));
        let typed: String = lines.iter().flat_map(|text| [text.as_str(), "\n"]).collect();
        line.type_in(typed.as_bytes());
        let mut found = Vec::new();
        while let Some(bytes) = line.read(room).filter(|bytes| !bytes.is_empty()) {
            prop_assert!(raw || bytes[..bytes.len() - 1].iter().all(|byte| *byte != b'\n'));
            found.extend(bytes);
        }
        prop_assert_eq!(found, typed.as_bytes());
    }
}
