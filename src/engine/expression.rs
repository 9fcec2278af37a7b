//! Templates and expressions of either query language, and how they fail.

use super::{
    StrandId,
    environment::View,
    failure::Failure,
    step::{Stepper, details},
};
use crate::{
    Value,
    model::error_name,
    observe::Recorder,
    program::{ExpressionPlan, RulePlan, StateType, TemplateId, TemplatePlan},
    query::{
        QueryError,
        jsonata::{EvaluationFailure, ResultType},
    },
};

/// Why a template or a rule could not be evaluated.
enum Trouble {
    JsonPath(QueryError),
    Jsonata(Box<EvaluationFailure>),
}

impl<R: Recorder> Stepper<'_, R> {
    /// Makes the value of a template over the strand's data.
    pub(super) fn evaluate_template(&mut self, id: StrandId, template: TemplateId) -> Result<Value, Failure> {
        let view = View::new(self.program, self.execution, id, &self.execution.strands[id.index()].data);
        let value = evaluate(&self.program.templates[template.index()], &view);
        value.map_err(|trouble| self.query_failure(id, trouble))
    }

    /// Makes the value of an `ItemSelector` for one item.
    pub(super) fn select_item(
        &mut self,
        id: StrandId,
        template: TemplateId,
        place: usize,
        item: &Value,
    ) -> Result<Value, Failure> {
        let view = View::new(self.program, self.execution, id, &self.execution.strands[id.index()].data);
        let value = evaluate(&self.program.templates[template.index()], &view.with_item(place, item));
        value.map_err(|trouble| self.query_failure(id, trouble))
    }

    /// Whether a rule of a Choice state holds.
    pub(super) fn rule_holds(&mut self, id: StrandId, rule: &RulePlan) -> Result<bool, Failure> {
        let view = View::new(self.program, self.execution, id, &self.execution.strands[id.index()].data);
        let holds = match rule {
            RulePlan::Condition(condition) => condition.evaluate(&view).map_err(Trouble::JsonPath),
            RulePlan::Constant(holds) => Ok(*holds),
            RulePlan::Expression(plan) => {
                plan.expression.evaluate_condition(&plan.field, &view).map_err(Trouble::Jsonata)
            }
        };
        holds.map_err(|trouble| self.query_failure(id, trouble))
    }

    /// The value of an expression that stands for a field of one type.
    pub(super) fn evaluate_expression(
        &mut self,
        id: StrandId,
        plan: &ExpressionPlan,
        expected: ResultType,
    ) -> Result<Value, Failure> {
        let view = View::new(self.program, self.execution, id, &self.execution.strands[id.index()].data);
        let value = plan.expression.evaluate_as(expected, &plan.field, &view);
        value.map_err(|failure| self.query_failure(id, Trouble::Jsonata(failure)))
    }

    fn query_failure(&mut self, id: StrandId, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::JsonPath(error) => self.runtime_failure(id, &error),
            Trouble::Jsonata(failure) => self.evaluation_failed(id, Some(&failure.location), &failure.cause),
        }
    }

    /// `States.QueryEvaluationError`, with the event that comes before it. `location` names the field.
    pub(super) fn evaluation_failed(&mut self, id: StrandId, location: Option<&str>, what: &str) -> Failure {
        let cause = self.cause(id, what);
        if R::ENABLED {
            // As AWS numbers it: what fails on entering a state has its predecessor in common with that event. Only a Wait
            // state has been entered for good by then.
            let strand = &self.execution.strands[id.index()];
            let is_wait = self.program.state(strand.state).kind == StateType::Wait;
            if strand.previous_event_id == strand.entered_event_id && !is_wait {
                let strand = self.strand(id);
                strand.previous_event_id = strand.entered_after_event_id;
            }
        }
        self.event(id, "EvaluationFailed", |stepper| {
            let strand = &stepper.execution.strands[id.index()];
            let state = Value::from(stepper.program.state(strand.state).name.clone());
            let location = location.map(|location| ("location", Value::from(location)));
            let entries = [
                ("cause", Value::from(cause.as_str())),
                ("error", Value::from(error_name::QUERY_EVALUATION_ERROR)),
                ("state", state),
            ];
            details(entries.into_iter().chain(location))
        });
        Failure::new(error_name::QUERY_EVALUATION_ERROR, cause)
    }
}

fn evaluate(template: &TemplatePlan, view: &View<'_>) -> Result<Value, Trouble> {
    match template {
        TemplatePlan::JsonPath(template) => template.evaluate(view).map_err(Trouble::JsonPath),
        TemplatePlan::Jsonata { field, template } => template.evaluate(field, view).map_err(Trouble::Jsonata),
    }
}
