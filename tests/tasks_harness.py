#!/usr/bin/env python3
"""Compares `allot tasks` with lm-evaluation-harness itself, document by document, on the same model and the same files.

    python3 -m venv V && V/bin/pip install torch transformers accelerate peft lm_eval
    V/bin/python tests/tasks_harness.py MODEL DATA ALLOT WORK [--tasks NAMES] [--limit 200] [--time]

MODEL is a folder in Hugging Face's layout, DATA the folder of documents in the formats of the guide on tasks, ALLOT the program,
WORK a folder for the documents in the hub's formats and for the harness's results, which later runs reuse. Both sides compute in f32
on the processor. GSM8K's examples are the last hundred documents, which are not used as questions. With --time, the script prints the
processor time and the wall time of both sides.
"""
import argparse
import bz2
import csv
import glob
import json
import os
import re
import resource
import subprocess
import sys
import time

TASKS = ["boolq", "rte", "hellaswag", "winogrande", "arc_easy", "arc_challenge", "openbookqa", "piqa", "lambada_openai", "mmlu", "gsm8k"]
LETTERS = "ABCDE"


def rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write(path, documents):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        for document in documents:
            file.write(json.dumps(document, ensure_ascii=False) + "\n")


def with_letters(choices, gold):
    return {"choices": {"text": choices, "label": list(LETTERS[: len(choices)])}, "answerKey": LETTERS[gold]}


def winogrande(row):
    first, second = row["context_options"]
    shared = len(os.path.commonprefix([first, second]))
    shared = first.rfind(" ", 0, shared) + 1
    return {
        "sentence": first[:shared] + "_ " + row["continuation"],
        "option1": first[shared:],
        "option2": second[shared:],
        "answer": str(row["gold"] + 1),
    }


def hellaswag(path):
    lines = bz2.open(path, "rt", encoding="utf-8").read().rstrip("\n").split("\n")
    for at in range(0, len(lines), 6):
        label, context = lines[at].split(": ", 1)
        cut = max(context.rfind(end) for end in (". ", "! ", "? ")) + 2
        closed = context.rstrip().endswith((".", "!", "?")) or cut < 2
        parts = (context, "") if closed else (context[: cut - 1], context[cut:])
        yield {"ind": at // 6, "activity_label": label, "ctx_a": parts[0], "ctx_b": parts[1], "endings": lines[at + 2 : at + 6], "label": lines[at + 1]}


def convert(data, work):
    """Writes the documents in the hub's formats, for both sides to read."""
    at = lambda name: os.path.join(data, name)
    to = lambda name: os.path.join(work, "data", name)
    boolq = [re.fullmatch(r"(?s)Passage: (.*)\nQuestion: (.*)\?", row["query"]).groups() + (row["gold"],) for row in rows(at("boolq.jsonl"))]
    write(to("boolq.jsonl"), [{"passage": p, "question": q, "label": gold} for p, q, gold in boolq])
    entails = {"entailment": 0, "not_entailment": 1}
    write(to("rte.jsonl"), [{"sentence1": r["premise"], "sentence2": r["hypothesis"], "label": entails[r["label"]]} for r in rows(at("rte_val.jsonl"))])
    write(to("hellaswag.jsonl"), hellaswag(at("hellaswag_val_full.txt.bz2")))
    write(to("winogrande.jsonl"), map(winogrande, rows(at("winogrande.jsonl"))))
    for name in ("arc_easy", "arc_challenge"):
        write(to(f"{name}.jsonl"), [{"question": r["query"].removeprefix("Question: ")} | with_letters(r["choices"], r["gold"]) for r in rows(at(f"{name}.jsonl"))])
    write(to("openbookqa.jsonl"), [{"question_stem": r["query"]} | with_letters(r["choices"], r["gold"]) for r in rows(at("openbook_qa.jsonl"))])
    goal = lambda query: query.removeprefix("Question: ").removesuffix("\n")
    write(to("piqa.jsonl"), [{"goal": goal(r["query"]), "sol1": r["choices"][0], "sol2": r["choices"][1], "label": r["gold"]} for r in rows(at("piqa.jsonl"))])
    write(to("lambada_openai.jsonl"), [{"text": f"{r['context']} {r['continuation']}"} for r in rows(at("lambada_openai.jsonl"))])
    gsm8k = [{"question": r["context"], "answer": f"{r['chain_of_thought']}\n#### {r['answer']}"} for r in rows(at("gsm8k.jsonl"))]
    write(to("gsm8k/test.jsonl"), gsm8k[:-100])
    write(to("gsm8k/train.jsonl"), gsm8k[-100:])
    for split in ("dev", "test"):
        every = []
        for path in sorted(glob.glob(at(f"mmlu/{split}/*.csv"))):
            subject = os.path.basename(path).removesuffix(f"_{split}.csv")
            with open(path, encoding="utf-8", newline="") as file:
                found = [{"question": r["question"], "subject": subject, "choices": [r[f"choice{i}"] for i in range(4)], "answer": int(r["answer"])} for r in csv.DictReader(file)]
            write(to(f"mmlu_by_subject/{split}/{subject}.jsonl"), found)
            every += found
        write(to(f"mmlu/{split}.jsonl"), every)


def shots(task):
    return {"mmlu": 5, "gsm8k": 5}.get(task, 0)


def limit(task, asked):
    return {"mmlu": 4, "gsm8k": 50}.get(task, 200) * asked // 200 or 1


def configs(task, work):
    """Returns the harness's own descriptions of a task, with local files instead of the hub's."""
    from lm_eval.tasks import TaskManager

    manager = TaskManager()
    folder = os.path.join(work, "data")
    names = [task]
    if task == "mmlu":
        found = sorted(glob.glob(os.path.join(folder, "mmlu_by_subject/test/*.jsonl")))
        names = ["mmlu_" + os.path.basename(path).removesuffix(".jsonl") for path in found]
    for name in names:
        config = description(manager, name)
        split = config.get("test_split") or config["validation_split"]
        files = {split: os.path.join(folder, f"{task}.jsonl")}
        if task == "mmlu":
            subject = name.removeprefix("mmlu_")
            files = {s: os.path.join(folder, f"mmlu_by_subject/{s}/{subject}.jsonl") for s in ("dev", "test")}
        if task == "gsm8k":
            files = {s: os.path.join(folder, f"gsm8k/{s}.jsonl") for s in ("train", "test")}
        keys = ("training_split", "validation_split", "test_split", "fewshot_split")
        config = {key: value for key, value in config.items() if key not in keys or value in files}
        config |= {"task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": files}}
        config.pop("dataset_name", None)
        yield config


def description(manager, name):
    """Reads a description of the harness, with its includes resolved."""
    import yaml
    import lm_eval.tasks

    root = os.path.dirname(lm_eval.tasks.__file__)
    places = {"boolq": "super_glue/boolq/default", "rte": "glue/rte/default", "winogrande": "winogrande/default", "arc_easy": "arc/arc_easy", "arc_challenge": "arc/arc_challenge", "lambada_openai": "lambada/lambada_openai"}
    place = f"mmlu/default/{name}" if name.startswith("mmlu_") else places.get(name, f"{name}/{name}")
    path = os.path.join(root, place + ".yaml")

    class Loader(yaml.SafeLoader):
        pass

    def function(loader, node):
        import importlib.util

        module, member = node.value.rsplit(".", 1)
        spec = importlib.util.spec_from_file_location(f"{name}_{module}", os.path.join(os.path.dirname(path), module + ".py"))
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return getattr(loaded, member)

    Loader.add_constructor("!function", function)
    with open(path, encoding="utf-8") as file:
        config = yaml.load(file, Loader)
    include = config.pop("include", None)
    if include:
        with open(os.path.join(os.path.dirname(path), include), encoding="utf-8") as file:
            config = yaml.load(file, Loader) | config
    for key in ("tag", "should_decontaminate", "doc_to_decontamination_query", "task_alias"):
        config.pop(key, None)
    return config


def harness(model, task, work, asked, threads):
    """Returns the harness's results, from an earlier run if there is one: likelihoods or an answer for each document."""
    kept = os.path.join(work, f"harness-{task}-{limit(task, asked)}.json")
    if os.path.exists(kept):
        with open(kept, encoding="utf-8") as file:
            return json.load(file)
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    import lm_eval
    import torch
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    torch.set_num_threads(threads)
    config = json.load(open(os.path.join(model, "config.json"), encoding="utf-8"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(model, "tokenizer.json"))
    for kind in ("bos", "eos"):
        if config.get(f"{kind}_token_id") is not None:
            setattr(tokenizer, f"{kind}_token", tokenizer.convert_ids_to_tokens(config[f"{kind}_token_id"]))
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    lm = HFLM(pretrained=loaded, tokenizer=tokenizer, batch_size=8 if task != "gsm8k" else 1, device="cpu")
    described = list(configs(task, work))
    began, cpu = time.time(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
    found = lm_eval.simple_evaluate(model=lm, tasks=described, num_fewshot=shots(task), limit=limit(task, asked), log_samples=True, bootstrap_iters=100000)
    result = {
        "version": lm_eval.__version__,
        "wall": time.time() - began,
        "cpu": resource.getrusage(resource.RUSAGE_SELF).ru_utime - cpu,
        "results": {name: {key: value for key, value in metrics.items() if isinstance(value, (int, float))} for name, metrics in found["results"].items()},
        "documents": {},
    }
    for name, samples in found["samples"].items():
        result["documents"][name] = [sample(it) for it in sorted(samples, key=lambda it: (it["filter"], it["doc_id"]))]
    with open(kept, "w", encoding="utf-8") as file:
        json.dump(result, file)
    return result


def sample(it):
    arguments = it["arguments"]
    arguments = [list(map(str, one)) if not isinstance(one, dict) else [str(one["arg_0"]), str(one["arg_1"])] for one in (arguments.values() if isinstance(arguments, dict) else arguments)]
    scores = {key: it[key] for key in ("acc", "acc_norm", "exact_match") if key in it}
    answers = it["resps"]
    if isinstance(answers[0][0], str):
        return {"filter": it["filter"], "answer": answers[0][0], "arguments": arguments} | scores
    flat = [one[0] if isinstance(one[0], (list, tuple)) else one for one in answers]
    return {"filter": it["filter"], "likelihoods": [float(one[0]) for one in flat], "greedy": [str(one[1]) == "True" for one in flat], "arguments": arguments} | scores


def ours(allot, model, task, work, asked):
    out = os.path.join(work, f"allot-{task}.jsonl")
    command = [allot, "tasks", model, "--tasks", task, "--data", os.path.join(work, "data"), "--shots", str(shots(task)), "--limit", str(limit(task, asked)), "--out", out, "--force", "--format", "json", "--quiet"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    began = time.time()
    printed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    printed["wall"] = time.time() - began
    printed["cpu"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    return printed, rows(out)[1:]


def compare(task, theirs, printed, documents):
    """Returns the number of compared values and the largest relative difference; fails if the two sides disagree."""
    worst, count, at = 0.0, 0, 0
    names = sorted(theirs["documents"])
    for name in names:
        samples = theirs["documents"][name]
        filters = sorted({it["filter"] for it in samples})
        by_filter = [[it for it in samples if it["filter"] == one] for one in filters]
        for row, found in enumerate(by_filter[0]):
            here = documents[at]
            at += 1
            say = f"{name}, document {row}"
            for likelihood, want in zip(here.get("log_likelihoods", []), found.get("likelihoods", []), strict=True):
                difference = abs(likelihood - want) / max(abs(want), 1e-9)
                assert difference < 1e-4, f"{say}: {likelihood} and {want}"
                worst, count = max(worst, difference), count + 1
            assert here.get("greedy", []) == found.get("greedy", []), say
            if "answer" in here:
                assert here["answer"] == found["answer"], f"{say}:\n{here['answer']!r}\n{found['answer']!r}"
                count += 1
            for one, per_filter in zip(filters, by_filter):
                for reported in here["reported"]:
                    if reported["metric"] in per_filter[row] and reported.get("name", "none") == one:
                        assert float(per_filter[row][reported["metric"]]) == reported["value"], f"{say}: {reported}"
    assert at == len(documents), f"{task}: {at} and {len(documents)} documents"
    means(task, theirs, printed)
    return count, worst


def means(task, theirs, printed):
    found = printed["tasks"][0]
    results = theirs["results"].get(task)
    if task == "mmlu":
        parts = {f"mmlu_{part['subject']}": part for part in found["parts"]}
        for name, want in theirs["results"].items():
            if name in parts:
                near(name, parts[name]["metrics"][0], want, "acc", "none")
        sizes = [len(theirs["documents"][name]) for name in parts]
        want = sum(theirs["results"][name]["acc,none"] * size for name, size in zip(parts, sizes)) / sum(sizes)
        assert abs(want - found["metrics"][0]["value"]) < 1e-9, task
        from lm_eval.api.metrics import pooled_sample_stderr

        errors = [theirs["results"][name].get("acc_stderr,none") for name in parts]
        if None not in errors:
            assert abs(pooled_sample_stderr(errors, sizes) - found["metrics"][0]["error"]) < 1e-9, task
        groups(theirs, {group["group"]: group for group in found["groups"]})
        return
    for metric in found["metrics"]:
        near(task, metric, results, metric["metric"], metric.get("name", "none"))


def groups(theirs, found):
    """Compares the groups of subjects with the harness's own groups, pooled by its own functions."""
    import lm_eval.tasks
    import yaml
    from lm_eval.api.metrics import pooled_sample_stderr

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: None)
    folder = os.path.join(os.path.dirname(lm_eval.tasks.__file__), "mmlu", "default")
    members = {}
    for name in theirs["documents"]:
        with open(os.path.join(folder, f"{name}.yaml"), encoding="utf-8") as file:
            tag = yaml.load(file, Loader)["tag"]
        for one in [tag] if isinstance(tag, str) else tag:
            members.setdefault(one.removeprefix("mmlu_").removesuffix("_tasks"), []).append(name)
    assert sorted(members) == sorted(found), f"{sorted(members)} and {sorted(found)}"
    for group, names in members.items():
        sizes = [len(theirs["documents"][name]) for name in names]
        values = [theirs["results"][name]["acc,none"] for name in names]
        want = sum(value * size for value, size in zip(values, sizes)) / sum(sizes)
        metric = found[group]["metrics"][0]
        assert found[group]["documents"] == sum(sizes) and abs(want - metric["value"]) < 1e-9, group
        errors = [theirs["results"][name].get("acc_stderr,none") for name in names]
        if None not in errors:
            assert abs(pooled_sample_stderr(errors, sizes) - metric["error"]) < 1e-9, group


def near(task, metric, results, name, which):
    for key, here in ((f"{name},{which}", metric["value"]), (f"{name}_stderr,{which}", metric["error"])):
        # The harness has no standard error for a single document.
        want = results.get(key)
        if want is None or here is None:
            assert want is None and here is None, f"{task} {key}: {here} and {want}"
            continue
        assert abs(want - here) <= 1e-4 * abs(want) + 1e-9, f"{task} {key}: {here} and {want}"


def table(timed):
    """Prints the seconds of both sides, and the speedup of allot."""
    print("\n| task | documents | harness, s | allot, s | times as fast | harness, processor s | allot, processor s | times |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for task, documents, theirs, ours in timed:
        times = [theirs[kind] / ours[kind] for kind in ("wall", "cpu")]
        print(f"| {task} | {documents} | {theirs['wall']:.0f} | {ours['wall']:.0f} | {times[0]:.1f} | {theirs['cpu']:.0f} | {ours['cpu']:.0f} | {times[1]:.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "data", "allot", "work"):
        parser.add_argument(name, type=os.path.abspath)
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=TASKS)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--time", action="store_true")
    options = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = str(options.threads)
    if not os.path.exists(os.path.join(options.work, "data/mmlu/test.jsonl")):
        convert(options.data, options.work)
    timed = []
    for task in options.tasks:
        theirs = harness(options.model, task, options.work, options.limit, options.threads)
        printed, documents = ours(options.allot, options.model, task, options.work, options.limit)
        count, worst = compare(task, theirs, printed, documents)
        line = f"{task}: {len(documents)} documents, {count} compared with lm_eval {theirs['version']}, largest relative difference {worst:.1e}"
        if options.time:
            timed.append((task, len(documents), theirs, printed))
            line += f"; harness {theirs['wall']:.1f} s ({theirs['cpu']:.1f} s of processor), allot {printed['wall']:.1f} s ({printed['cpu']:.1f} s)"
        print(line, flush=True)
    print("all agree")
    if timed:
        table(timed)


if __name__ == "__main__":
    sys.exit(main())
