//! Times of rolecall-policy, beside the time in which serde_json parses the same text.
#![allow(missing_docs, reason = "criterion_group! writes an undocumented function")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rolecall_bench_policy::{POLICY, hostile_patterns, policies, request};
use rolecall_policy::{Context, Pattern, PermissionPolicy, Policies, evaluate};

fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy");
    group.bench_function("serde_json", |bencher| {
        bencher.iter(|| serde_json::from_str::<serde_json::Value>(black_box(POLICY)));
    });
    group.bench_function("parse", |bencher| {
        bencher.iter(|| PermissionPolicy::parse(black_box(POLICY)));
    });
    if let (Ok(policies), Ok(request)) = (policies(), request()) {
        let policies = Policies::new().identity(&policies);
        group.bench_function("evaluate", |bencher| {
            bencher.iter(|| evaluate(black_box(&request), black_box(&policies)).outcome());
        });
    }
    let context = Context::new().with("k:v", "");
    group.sample_size(10);
    for (name, pattern, text) in hostile_patterns() {
        let pattern = Pattern::with_variables(&pattern);
        group.bench_function(format!("hostile_{name}"), |bencher| {
            bencher.iter(|| pattern.matches_in(black_box(&text), &context));
        });
    }
    group.finish();
}

criterion_group!(benches, measure);
criterion_main!(benches);
