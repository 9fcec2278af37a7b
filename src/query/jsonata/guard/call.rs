//! Guards of calls: what functions are about to build, by their arguments.

use jsonata_core::ast::{AstNode, BinaryOp};

use super::{GUARDED, Rewriter, boxed, functions, is_simple, variable};

impl Rewriter {
    /// A call.
    pub(super) fn function(&mut self, name: String, args: Vec<AstNode>, is_builtin: bool) -> AstNode {
        if !is_builtin || self.is_bound(&name) {
            return AstNode::Function { name, args: self.nodes(args), is_builtin };
        }
        if functions::is_function(&name) {
            self.named(&name);
        }
        if args.iter().any(|arg| matches!(arg, AstNode::Placeholder)) {
            return self.partial(name, args);
        }
        // Functions that others call are gone with the call; the base has short ways for those written in place.
        let calls =
            matches!(&*name, "map" | "filter" | "reduce" | "each" | "sift" | "single" | "sort" | "replace" | "match");
        let mut args = if calls { self.operands(args) } else { self.nodes(args) };
        let first = match name.as_str() {
            // Of the context, where nothing is given.
            "string" if args.len() < 2 => {
                let value = args.pop().unwrap_or_else(|| variable(""));
                return self.call("guard:string", vec![value]);
            }
            "string" => "guard:pretty",
            "clone" | "lookup" => "guard:print",
            "boolean" | "not" => "guard:tree",
            "uppercase" | "lowercase" | "trim" | "substring" | "substringBefore" | "substringAfter"
            | "base64encode" | "base64decode" | "encodeUrl" | "encodeUrlComponent" | "decodeUrl"
            | "decodeUrlComponent" => "guard:text",
            "reverse" | "keys" | "map" | "filter" | "each" | "sift" => "guard:items",
            "spread" => "guard:spread",
            "sort" => {
                if let Some(AstNode::Lambda { body, .. }) = args.get_mut(1)
                    && is_simple(body)
                {
                    // The base looks at the time in every step but those that are a mere value.
                    let simple = std::mem::replace(&mut **body, AstNode::Null);
                    **body = AstNode::Block(vec![simple]);
                }
                "guard:items"
            }
            "merge" => "guard:entries",
            "append" => {
                args = args.into_iter().map(|arg| self.call("guard:items", vec![arg])).collect();
                ""
            }
            // Named directly, the base looks for a variable without a name.
            "exists" if matches!(args.as_slice(), [AstNode::Variable(name)] if name.is_empty()) => {
                args = vec![AstNode::Block(args)];
                ""
            }
            "distinct" if args.len() == 1 => return self.call("guard:distinct", args),
            "formatNumber" | "parseInteger" => {
                // With the context as its first argument, the picture is the only one.
                args = args.into_iter().map(|arg| self.call("guard:picture", vec![arg])).collect();
                ""
            }
            "fromMillis" | "toMillis" => {
                args = args.into_iter().map(|arg| self.call("guard:date picture", vec![arg])).collect();
                ""
            }
            "formatInteger" if !args.is_empty() => return self.format_integer(args),
            "now" if !args.is_empty() => {
                self.named("millis");
                args = args.into_iter().map(|arg| self.call("guard:date picture", vec![arg])).collect();
                args.insert(0, AstNode::Function { name: "millis".into(), args: Vec::new(), is_builtin: true });
                return AstNode::Function { name: "fromMillis".into(), args, is_builtin: true };
            }
            "join" | "split" | "match" | "contains" => return self.over_text(name, args),
            "replace" if args.len() > 2 => return self.replace(args),
            _ => "",
        };
        if let (false, Some(arg)) = (first.is_empty(), args.first_mut()) {
            let guarded = std::mem::replace(arg, AstNode::Null);
            *arg = self.call(first, vec![guarded]);
        }
        AstNode::Function { name, args, is_builtin }
    }

    /// `$f(?, x)`: for guarded functions a function that calls it with its guards, what is given bound beforehand.
    fn partial(&mut self, name: String, args: Vec<AstNode>) -> AstNode {
        if !GUARDED.iter().any(|(guarded, _)| *guarded == name) {
            let args = self.operands(args);
            let partial = AstNode::Function { name, args, is_builtin: true };
            return self.charged(partial);
        }
        let (mut params, mut bindings, mut given) = (Vec::new(), Vec::new(), Vec::new());
        for arg in args {
            let temporary = self.temporary();
            given.push(variable(&temporary));
            if matches!(arg, AstNode::Placeholder) {
                params.push(temporary);
            } else {
                bindings.push((temporary, arg));
            }
        }
        let mut items: Vec<AstNode> = bindings.into_iter().map(|(name, arg)| self.binding(&name, arg, true)).collect();
        let body = boxed(self.function(name, given, true));
        let function = AstNode::Lambda { params, body, signature: None, thunk: true };
        items.push(self.closure_charge(&function));
        items.push(function);
        AstNode::Block(items)
    }

    fn binding(&mut self, name: &str, value: AstNode, guard: bool) -> AstNode {
        let value = if guard { self.operand(value) } else { value };
        AstNode::Binary { op: BinaryOp::ColonEqual, lhs: boxed(variable(name)), rhs: boxed(value) }
    }

    /// Binds what is not simple among guarded arguments, so that guards may look at it too.
    fn bound(&mut self, args: Vec<AstNode>) -> (Vec<AstNode>, Vec<AstNode>) {
        let mut items = Vec::new();
        let args = args
            .into_iter()
            .map(|arg| {
                if is_simple(&arg) {
                    return arg;
                }
                let name = self.temporary();
                items.push(self.binding(&name, arg, false));
                variable(&name)
            })
            .collect();
        (items, args)
    }

    /// `$join`, `$split`, `$match` and `$contains`: what they build or search depends on two arguments.
    fn over_text(&mut self, name: String, args: Vec<AstNode>) -> AstNode {
        let (mut items, mut args) = self.bound(args);
        let subject = args.first().cloned().unwrap_or(AstNode::Undefined);
        let guard = format!("guard:{name}");
        let check = match args.get(1) {
            Some(second) => self.call(&guard, vec![subject, second.clone()]),
            // The context takes the place of what is missing.
            None => self.call(&guard, vec![variable(""), subject]),
        };
        if name == "join" && args.len() == 1 {
            let first = args.remove(0);
            args.push(self.call("guard:join", vec![first]));
        } else {
            items.push(check);
        }
        items.push(AstNode::Function { name, args, is_builtin: true });
        if items.len() == 1 { items.remove(0) } else { AstNode::Block(items) }
    }

    /// `$formatInteger(number, picture)`: how long the result is depends on both.
    fn format_integer(&mut self, args: Vec<AstNode>) -> AstNode {
        let (mut items, args) = self.bound(args);
        let both = match args.as_slice() {
            // The context takes the place of what is missing.
            [picture] => vec![variable(""), picture.clone()],
            several => several.to_vec(),
        };
        items.push(self.call("guard:integer", both));
        items.push(AstNode::Function { name: "formatInteger".into(), args, is_builtin: true });
        AstNode::Block(items)
    }

    /// `$replace(text, pattern, replacement, limit)`: what a function gives as a replacement is charged when it does.
    fn replace(&mut self, args: Vec<AstNode>) -> AstNode {
        // Nothing simple here: an argument that is a function must not be rewritten into a call of itself.
        let (mut items, args) = self.bound(args);
        let check = self.call("guard:replace", args.clone());
        items.push(check);
        let plain = AstNode::Function { name: "replace".into(), args: args.clone(), is_builtin: true };
        if matches!(args[2], AstNode::String(_)) {
            items.push(plain);
            return AstNode::Block(items);
        }
        let AstNode::Variable(replacement) = &args[2] else {
            items.push(plain);
            return AstNode::Block(items);
        };
        let found = self.temporary();
        let replaced = AstNode::Function { name: replacement.clone(), args: vec![variable(&found)], is_builtin: true };
        let body = boxed(self.call("guard:text", vec![replaced]));
        let charging = AstNode::Lambda { params: vec![found], body, signature: None, thunk: false };
        let mut with_function = args.clone();
        with_function[2] = charging;
        let is_function = self.call("guard:is function", vec![args[2].clone()]);
        items.push(AstNode::Conditional {
            condition: boxed(is_function),
            then_branch: boxed(AstNode::Function { name: "replace".into(), args: with_function, is_builtin: true }),
            else_branch: Some(boxed(plain)),
        });
        AstNode::Block(items)
    }
}
