//! A program as a listing, for people.

use std::fmt::{self, Write};

use super::{
    ExpressionPlan, FieldPlan, Instruction, InstructionId, ItemsPlan, Program, RulePlan, Table, TemplateId,
    TemplatePlan, WaitPlan,
};

impl Program {
    /// The instruction listing that `expressway disassemble` prints.
    #[must_use]
    pub fn disassemble(&self) -> String {
        let mut out = String::new();
        for (place, instruction) in self.instructions.iter().enumerate() {
            if let Instruction::EnterState(_) = instruction
                && place > 0
            {
                out.push('\n');
            }
            let (name, operand) = self.describe(*instruction);
            let line = format!("{place:5} {name:<16} {operand}");
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    fn describe(&self, instruction: Instruction) -> (&'static str, String) {
        match instruction {
            Instruction::EnterState(state) => {
                let state = self.state(state);
                let mut text = format!("{:?} {}", state.name.as_str(), state.kind.as_str());
                self.describe_handlers(state.retriers, state.catchers, &mut text)
                    .expect("writing to a string does not fail");
                ("EnterState", text)
            }
            Instruction::InputPath(path) => ("InputPath", self.paths[path.index()].text().into()),
            Instruction::EmptyInput => ("EmptyInput", String::new()),
            Instruction::TimeLimit(task) => {
                let task = &self.tasks[task.index()];
                let (timeout, heartbeat) = (self.field(task.timeout.as_ref()), self.field(task.heartbeat.as_ref()));
                ("TimeLimit", format!("timeout {timeout}, heartbeat {heartbeat}"))
            }
            Instruction::Parameters(template) => ("Parameters", self.template(template)),
            Instruction::Result(value) => ("Result", shorten(&self.values[value.index()].to_json())),
            Instruction::Task(task) => ("Task", self.tasks[task.index()].resource.to_string()),
            Instruction::Wait(wait) => (
                "Wait",
                match &self.waits[wait.index()] {
                    WaitPlan::Milliseconds(time) => format!("{time} ms"),
                    WaitPlan::Until(time) => format!("until {time} ms since 1970"),
                    WaitPlan::SecondsExpression(expression) => format!("seconds {}", way(expression)),
                    WaitPlan::TimestampExpression(expression) => format!("until {}", way(expression)),
                    WaitPlan::SecondsPath(path) => format!("seconds {}", self.paths[path.index()].text()),
                    WaitPlan::TimestampPath(path) => format!("until {}", self.paths[path.index()].text()),
                },
            ),
            Instruction::Choose(choice) => {
                let choice = &self.choices[choice.index()];
                let mut text = String::new();
                for (rule, target) in &choice.rules {
                    let _ = match rule {
                        RulePlan::Condition(condition) => write!(text, "{condition} → {}, ", target.0),
                        RulePlan::Expression(expression) => write!(text, "{} → {}, ", way(expression), target.0),
                        RulePlan::Constant(holds) => write!(text, "{holds} → {}, ", target.0),
                    };
                }
                let default = choice.default.map_or("none".into(), |target| target.0.to_string());
                let _ = write!(text, "default → {default}");
                ("Choose", text)
            }
            Instruction::Parallel(parallel) => {
                ("Parallel", format!("branches {}", places(&self.parallels[parallel.index()].branches)))
            }
            Instruction::Map(map) => {
                let map = &self.maps[map.index()];
                let mut text = format!("processor {}", map.processor.0);
                let _ = match &map.items {
                    None => Ok(()),
                    Some(ItemsPlan::Path(path)) => write!(text, ", items {}", self.paths[path.index()].text()),
                    Some(ItemsPlan::Expression(expression)) => write!(text, ", items {}", way(expression)),
                    Some(ItemsPlan::Template(template)) => write!(text, ", items {}", self.template(*template)),
                };
                if let Some(template) = map.selector {
                    let _ = write!(text, ", selector {}", self.template(template));
                }
                ("Map", text)
            }
            Instruction::Fail(fail) => {
                let fail = &self.fails[fail.index()];
                (
                    "Fail",
                    format!("error {}, cause {}", self.field(fail.error.as_ref()), self.field(fail.cause.as_ref())),
                )
            }
            Instruction::Arguments(template) => ("Arguments", self.template(template)),
            Instruction::Output(template) => ("Output", self.template(template)),
            Instruction::ResultSelector(template) => ("ResultSelector", self.template(template)),
            Instruction::Assign(template) => ("Assign", self.template(template)),
            Instruction::ResultPath(path) => ("ResultPath", self.reference_paths[path.index()].text().into()),
            Instruction::DiscardResult => ("DiscardResult", String::new()),
            Instruction::OutputPath(path) => ("OutputPath", self.paths[path.index()].text().into()),
            Instruction::EmptyOutput => ("EmptyOutput", String::new()),
            Instruction::Next(target) => ("Next", format!("→ {}", target.0)),
            Instruction::End => ("End", String::new()),
        }
    }

    fn describe_handlers(&self, retriers: Table, catchers: Table, out: &mut String) -> fmt::Result {
        for retrier in &self.retriers[retriers.range()] {
            write!(
                out,
                ", retry {} {} times from {} ms by {}",
                retrier.error_equals.join("|"),
                retrier.max_attempts,
                retrier.interval_ms,
                retrier.backoff_rate
            )?;
        }
        for catcher in &self.catchers[catchers.range()] {
            write!(out, ", catch {} → {}", catcher.error_equals.join("|"), catcher.handler.0)?;
        }
        Ok(())
    }

    /// A template; of one in JSONata, which of its expressions run as programs of our own and which in the base.
    fn template(&self, template: TemplateId) -> String {
        let template = &self.templates[template.index()];
        let mut text = template.to_string();
        let TemplatePlan::Jsonata { template, .. } = template else { return text };
        let (mut fast, mut others) = (0, Vec::new());
        template.for_each_expression(&mut |expression| {
            if expression.is_fast() {
                fast += 1;
            } else {
                others.push(shorten(&expression.to_string()));
            }
        });
        if fast > 0 {
            let _ = write!(text, ", {fast} fast");
        }
        if !others.is_empty() {
            let _ = write!(text, ", base: {}", others.join(" "));
        }
        text
    }

    fn field(&self, field: Option<&FieldPlan>) -> String {
        match field {
            None => "none".into(),
            Some(FieldPlan::Literal(value)) => shorten(&value.to_json()),
            Some(FieldPlan::Path(path)) => self.paths[path.index()].text().into(),
            Some(FieldPlan::Expression(expression)) => way(expression),
            Some(FieldPlan::Intrinsic(_)) => "intrinsic".into(),
        }
    }
}

/// An expression and the way it runs.
fn way(plan: &ExpressionPlan) -> String {
    format!("{plan} {}", if plan.expression.is_fast() { "(fast)" } else { "(base)" })
}

fn places(targets: &[InstructionId]) -> String {
    targets.iter().map(|target| target.0.to_string()).collect::<Vec<_>>().join(", ")
}

/// Literals are shown up to this many characters.
const SHOWN_CHARACTERS: usize = 60;

fn shorten(text: &str) -> String {
    if text.chars().count() <= SHOWN_CHARACTERS {
        text.into()
    } else {
        text.chars().take(SHOWN_CHARACTERS).chain("…".chars()).collect()
    }
}
