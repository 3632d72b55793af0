//! What is a document told that is none of XACML 3.0?

use super::*;

const PERMIT: &str = "urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:permit-overrides";
const STRING: &str = "http://www.w3.org/2001/XMLSchema#string";
const EQUAL: &str = "urn:oasis:names:tc:xacml:1.0:function:string-equal";

/// `{x}` stands for the namespace, `{permit}`, `{string}` and `{equal}` for an identifier.
fn whole(text: &str) -> String {
    let text = text.replace("{x}", &format!("xmlns=\"{XACML_30}\""));
    text.replace("{permit}", PERMIT).replace("{string}", STRING).replace("{equal}", EQUAL)
}

/// A policy with these children behind its target.
fn policy(children: &str) -> String {
    format!(
        "<Policy {{x}} PolicyId='p' Version='1' RuleCombiningAlgId='{{permit}}'><Target/>{children}</Policy>"
    )
}

fn said(text: &str) -> String {
    match read(&whole(text)) {
        Ok(document) => format!("{} {}", document.root.id(), document.size),
        Err(problems) => {
            let lines: Vec<String> = problems
                .iter()
                .map(|one| format!("{one}; {}", one.suggestion).trim_end_matches("; ").to_owned())
                .collect();
            lines.join("\n")
        }
    }
}

macro_rules! check {
    ($text:expr, @$said:literal) => {
        insta::assert_snapshot!(said($text.as_ref()), @$said)
    };
}

#[test]
fn a_document_is_of_version_3() {
    check!(policy(""), @"p 1");
    check!("<Policy PolicyId='p'/>", @r#"line 1, Policy: it is of no namespace; write `xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"`, and what 3.0 has changed"#);
    check!("<Policy xmlns='urn:oasis:names:tc:xacml:2.0:policy:schema:os' PolicyId='p'/>", @r#"line 1, Policy: it is written in XACML 2.0, and 3.0 is read; write `xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"`, and what 3.0 has changed"#);
    check!("<Policy xmlns='urn:oasis:names:tc:xacml:3.0:schema:os' PolicyId='p'/>", @r#"line 1, Policy: `urn:oasis:names:tc:xacml:3.0:schema:os` is a draft of XACML 3.0; write `xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"`, and what 3.0 has changed"#);
    check!("<Policy xmlns='urn:x' PolicyId='p'/>", @r#"line 1, Policy: the namespace `urn:x` is not that of XACML 3.0; write `xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"`, and what 3.0 has changed"#);
    check!("<Request {x}/>", @"line 1, Request: its root is `Request`; the root is `PolicySet` or `Policy`");
    check!("<beans/>", @"line 1, beans: its root is `beans` and no policy; the root is `PolicySet` or `Policy` of `urn:oasis:names:tc:xacml:3.0:core:schema:wd-17`");
    check!("<Policy {x}", @"it is not well-formed XML: the document does not have a root node; correct what stands there");
}

#[test]
fn hostile_xml_is_not_parsed() {
    check!("<!DOCTYPE a [<!ENTITY b 'c'>]><Policy {x}/>", @"it has a document type, and nothing is declared or fetched that way; leave out `<!DOCTYPE …>`");
    check!(policy("&b;"), @"it is not well-formed XML: unknown entity reference 'b' at 1:190; correct what stands there");
    check!("<Apply>".repeat(65), @"its elements nest deeper than 64; divide it into smaller ones");
    check!("<a/>".repeat(50_001), @"it has more than 50000 elements; divide it into smaller ones");
    let attributes = (0..33).map(|at| format!(" a{at}=''")).collect::<Vec<_>>().concat();
    check!(format!("<Policy {attributes}/>"), @"an element has more than 32 attributes; divide it into smaller ones");
    check!(format!("<{}/>", "a".repeat(257)), @"an element's name has more than 256 bytes; divide it into smaller ones");
    check!(" ".repeat(1_048_577), @"it has 1048577 bytes, at most 1048576; divide it into smaller ones");
    check!(" xmlns".repeat(257), @"it declares more than 256 namespaces; divide it into smaller ones");
    let shown = "<a".repeat(100);
    check!(policy(&format!("<!-- {shown} \" --><?a {shown}?><![CDATA[ ]]>")), @"p 1");
}

#[test]
fn what_is_missing_or_strange_is_told_with_its_place() {
    check!("<Policy {x} Polcyid='p' Version='one' RuleCombiningAlgId='permit-overides'><Rule/><Target/></Policy>", @r#"
line 1, Policy/Target: it stands behind `Rule`; put it before `Rule`
line 1, Policy: it has no attribute `Polcyid`; did you mean `PolicyId`?
line 1, Policy: the attribute `PolicyId` is missing; add `PolicyId="urn:example:orders"`
line 1, Policy: `Version`: `one` is no version; write numbers with dots between them, as in `1.0`
line 1, Policy: `RuleCombiningAlgId`: there is no algorithm for rules `permit-overides`; did you mean `urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:permit-overrides`?
line 1, Policy/Rule: the attribute `RuleId` is missing; add `RuleId="readers"`
line 1, Policy/Rule: the attribute `Effect` is missing; add `Effect="Permit"`
"#);
    check!(policy("<Rule RuleId='r' Effect='permit'/>\n<Rule RuleId='r' Effect='Deny'><Condition/></Rule>\n<Rule RuleId='r' Effect='Deny'/><Rul/><a xmlns='urn:x'/>text"), @r#"
line 3, Policy/Rul: `Rul` does not stand in `Policy`; did you mean `Rule`?
line 3, Policy/a: `a` is of the namespace `urn:x`, not of XACML 3.0; write `xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"` at the root
line 1, Policy: text stands in it: `text`; leave it out; only values have text
line 1, Policy/Rule[1]: `Effect`: `permit` is neither Permit nor Deny; did you mean `Permit`?
line 2, Policy/Rule[2]: another rule has the identifier `r`; give one of them another `RuleId`
line 2, Policy/Rule[2]/Condition: an expression is missing; add one, for example `<Apply …>`
line 3, Policy/Rule[3]: another rule has the identifier `r`; give one of them another `RuleId`
"#);
    check!(policy("<Condition/><PolicyIssuer/>"), @"
line 1, Policy/PolicyIssuer: it stands behind `Condition`; put it before `Condition`
line 1, Policy/Condition: what a condition of a whole policy would do is said nowhere in the standard; put it into the rules
line 1, Policy/PolicyIssuer: policies in the name of others (administration and delegation) are not taken; leave it out
");
    check!("<PolicySet {x} PolicySetId='s' Version='1' PolicyCombiningAlgId='{permit}'><Target/><PolicyIdReference Version='1.+.1'/></PolicySet>", @"
line 1, PolicySet: `PolicyCombiningAlgId`: there is no algorithm for policies `urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:permit-overrides`; did you mean `urn:oasis:names:tc:xacml:3.0:policy-combining-algorithm:permit-overrides`?
line 1, PolicySet/PolicyIdReference: nothing is named; write the identifier between the tags
line 1, PolicySet/PolicyIdReference: `Version`: `1.+.1` is no pattern of versions; write for example `1.2`, `1.*` or `1.+`
");
}

#[test]
fn targets_and_conditions_ask_something_that_is_known() {
    check!(policy("<Rule RuleId='r' Effect='Deny'><Target><AnyOf/><AnyOf><AllOf><Match MatchId='urn:oasis:names:tc:xacml:2.0:function:string-equal'><AttributeValue DataType='string'>a</AttributeValue></Match></AllOf></AnyOf></Target></Rule>"), @"
line 1, Policy/Rule/Target/AnyOf[1]: `AllOf` is missing; add `<AllOf>`
line 1, Policy/Rule/Target/AnyOf[2]/AllOf/Match: `MatchId`: there is no function `urn:oasis:names:tc:xacml:2.0:function:string-equal`; did you mean `urn:oasis:names:tc:xacml:1.0:function:string-equal`?
line 1, Policy/Rule/Target/AnyOf[2]/AllOf/Match/AttributeValue: `DataType`: there is no data type `string`; did you mean `http://www.w3.org/2001/XMLSchema#string`?
line 1, Policy/Rule/Target/AnyOf[2]/AllOf/Match: nothing of the request is named; add an `AttributeDesignator` or an `AttributeSelector`
");
    check!(policy("<Rule RuleId='r' Effect='Deny'><Condition><Function FunctionId='{equal}'/></Condition></Rule>"), @"line 1, Policy/Rule/Condition/Function: a function by itself is only an argument of another one; write `Apply` with its arguments");
    check!(policy("<Rule RuleId='r' Effect='Deny'><Condition><Apply FunctionId='{equal}'><AttributeValue DataType='http://www.w3.org/2001/XMLSchema#integer'> 1.5 </AttributeValue><AttributeDesignator AttributeId='a' DataType='{string}' MustBePresent='no'/><AttributeSelector Category='c' DataType='{string}' MustBePresent='true'/></Apply></Condition></Rule>"), @r#"
line 1, Policy/Rule/Condition/Apply/AttributeValue: `1.5` is no integer; write for example `42`
line 1, Policy/Rule/Condition/Apply/AttributeDesignator: the attribute `Category` is missing; add `Category="urn:oasis:names:tc:xacml:3.0:attribute-category:resource"`
line 1, Policy/Rule/Condition/Apply/AttributeDesignator: `MustBePresent`: `no` is neither true nor false; write `true` or `false`
line 1, Policy/Rule/Condition/Apply/AttributeSelector: the attribute `Path` is missing; add `Path="order/customer/text()"`
"#);
}

#[test]
fn variables_are_there_and_do_not_depend_on_themselves() {
    let variable = |id: &str, of: &str| {
        format!(
            "<VariableDefinition VariableId='{id}'><VariableReference VariableId='{of}'/></VariableDefinition>"
        )
    };
    let value = "<VariableDefinition VariableId='z'><AttributeValue DataType='{string}'/></VariableDefinition>";
    check!(policy(&format!("{}{}{value}", variable("a", "b"), variable("b", "z"))), @"p 1");
    check!(policy(&format!("{}{}{value}", variable("owner", "z"), variable("b", "onwer"))), @"line 1, Policy/VariableDefinition[2]/VariableReference: there is no variable `onwer`; did you mean `owner`?");
    check!(policy(&format!("{}{}{}", variable("a", "b"), variable("b", "a"), variable("c", "c"))), @"
line 1, Policy/VariableDefinition[1]: the variable `a` depends on itself; leave out one of the references
line 1, Policy/VariableDefinition[2]: the variable `b` depends on itself; leave out one of the references
line 1, Policy/VariableDefinition[3]: the variable `c` depends on itself; leave out one of the references
");
    check!(policy(&format!("{value}{value}")), @"line 1, Policy/VariableDefinition[2]: another variable has the identifier `z`; give one of them another `VariableId`");
    let chain: String =
        (0..66).map(|at| variable(&format!("v{at}"), &format!("v{}", at + 1))).collect();
    check!(policy(&format!("{chain}{}", value.replace("'z'", "'v66'"))), @"
line 1, Policy/VariableDefinition[1]: variables depend on each other deeper than 64; write what they stand for where they are used
line 1, Policy/VariableDefinition[2]: variables depend on each other deeper than 64; write what they stand for where they are used
");
}

#[test]
fn outcomes_and_parameters_belong_to_something() {
    check!(policy("<RuleCombinerParameters RuleIdRef='r'><CombinerParameter ParameterName='n'><AttributeValue DataType='{string}'/></CombinerParameter></RuleCombinerParameters><ObligationExpressions><ObligationExpression ObligationId='o' FulfillOn='Alow'/></ObligationExpressions><AdviceExpressions/>"), @"
line 1, Policy/ObligationExpressions/ObligationExpression: `FulfillOn`: `Alow` is neither Permit nor Deny; write `Permit` or `Deny`
line 1, Policy/AdviceExpressions: `AdviceExpression` is missing; add `<AdviceExpression>`
line 1, Policy/RuleCombinerParameters/CombinerParameter: there is no rule `r`
");
}

#[test]
fn at_most_a_hundred_problems_are_told() {
    assert!(said(&policy(&"<Rule/>".repeat(200))).ends_with("300 more problems are not listed"));
}
