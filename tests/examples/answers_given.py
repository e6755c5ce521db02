"""An activity in one file: which class a network answers most, and whether it prefers some."""

from __future__ import annotations

import numpy as np

from report.activities.common import Answerer, primary_run
from report.data.records import LabData
from report.evidence.language import Language
from report.evidence.quantity import Evidence, numbers_of, table
from tests.examples.answers_chart import answers_chart


def answer(lab: LabData, language: Language, *, part: str) -> Evidence:
    """How often each class is answered by the network that the part is about."""
    data = lab.parts[part]
    run, names, text = primary_run(data), data.dataset.class_names, language.text
    test, q = run.predictions["test"], numbers_of(run.run)
    given, images = (np.bincount(labels, minlength=len(names)) for labels in (test.predicted, test.labels))
    shares = [q.share(int(n), test.labels.size, how="Answers over images, Wilson interval") for n in given]
    most = int(given.argmax())
    rows = [
        {"name": name, "images": q.count(own), "share": share, "interval": language.interval(share)}
        for name, own, share in zip(names, images, shares, strict=True)
    ]
    heads = {"name": text("Class"), "images": text("Images"), "share": text("Share"), "interval": text("95% interval")}
    caption = text("Answers of {network}", network=run.title)
    chart = answers_chart(names, shares, images.tolist(), language, caption=caption, source=[run.run])
    return Evidence(
        names={"network": run.title, "most": names[most], "share": shares[most], "own": q.count(images[most])},
        items={"chart": chart, "answers": table(caption, heads, rows, best={"share": "max"}, source=[run.run])},
    )


ANSWERS = {"answers_given": Answerer(answer, of_data=True, needs_runs=True)}
