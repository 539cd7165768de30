//! The graph as text for Mermaid and Graphviz.

use std::fmt::Write;

use super::edges::Edges;
use super::graph::Flow;
use super::report::State;

/// What stands for a character in a quoted name. Codes of Mermaid begin with `#`, text in
/// Markdown with a backtick.
const MERMAID: [(char, &str); 8] = [
    ('&', "&amp;"),
    ('"', "&quot;"),
    ('<', "&lt;"),
    ('>', "&gt;"),
    ('#', "#35;"),
    ('`', "#96;"),
    ('\n', "<br/>"),
    ('\r', ""),
];
const DOT: [(char, &str); 4] = [('\\', "\\\\"), ('"', "\\\""), ('\n', "\\n"), ('\r', "")];

pub(super) struct Drawing<'a> {
    nodes: Vec<(&'a str, Option<State>)>,
    edges: &'a Edges,
}

/// Fill of a node in this state.
pub(super) fn colour(state: State) -> &'static str {
    match state {
        State::Pending => "#ffffff",
        State::Running => "#ffff99",
        State::Succeeded => "#7fc97f",
        State::Given => "#9ecae1",
        State::Failed => "#f4796b",
        State::Skipped => "#d9d9d9",
        State::Cancelled => "#fdc086",
    }
}

impl<'a> Drawing<'a> {
    pub(super) fn new(
        nodes: impl Iterator<Item = (&'a str, Option<State>)>,
        edges: &'a Edges,
    ) -> Self {
        Self {
            nodes: nodes.collect(),
            edges,
        }
    }

    pub(super) fn of<E>(flow: &'a Flow<E>) -> Self {
        let vertices = flow.vertices.iter();
        Self::new(vertices.map(|vertex| (&*vertex.name, None)), &flow.edges)
    }

    /// Optional inputs are dotted.
    pub(super) fn mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        for (at, (name, state)) in self.nodes.iter().enumerate() {
            // Mermaid takes no empty name.
            let name = escaped(if name.is_empty() { " " } else { name }, &MERMAID);
            line(&mut text, format_args!("n{at}[\"{name}\"]"));
            for edge in self.edges.of(at) {
                let arrow = if edge.optional { "-.->" } else { "-->" };
                line(&mut text, format_args!("n{} {arrow} n{at}", edge.from));
            }
            if let Some(state) = state {
                line(
                    &mut text,
                    format_args!("style n{at} fill:{}", colour(*state)),
                );
            }
        }
        text
    }

    pub(super) fn dot(&self) -> String {
        let mut text = String::from("digraph flow {\n    rankdir=LR\n");
        for (at, (name, state)) in self.nodes.iter().enumerate() {
            let name = escaped(name, &DOT);
            let fill = state.map_or(String::new(), |state| {
                format!(", style=filled, fillcolor=\"{}\"", colour(state))
            });
            line(&mut text, format_args!("n{at} [label=\"{name}\"{fill}]"));
            for edge in self.edges.of(at) {
                let style = if edge.optional { " [style=dotted]" } else { "" };
                line(&mut text, format_args!("n{} -> n{at}{style}", edge.from));
            }
        }
        text + "}\n"
    }
}

fn escaped(name: &str, others: &[(char, &str)]) -> String {
    let mut text = String::with_capacity(name.len());
    for char in name.chars() {
        match others.iter().find(|(plain, _)| *plain == char) {
            Some((_, other)) => text.push_str(other),
            None => text.push(char),
        }
    }
    text
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    writeln!(text, "    {what}").expect("a String takes all");
}
