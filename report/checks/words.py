"""The words by which the checks read hand-written text, by language; a language without words is read by signs only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache


@dataclass(frozen=True, eq=False)
class Words:
    """One language's words, as alternatives of a regular expression unless something else is said.

    Attributes:
        units: by unit (`percent`, `points`, `hours`, …), the words that follow a number.
        scales: by word, what it multiplies a number with.
        epoch: what an epoch is called.
        named: what numbers but does not count: the figure, block or activity of a number.
        interval: what makes 95 % the level of an interval.
        year: what comes before a year.
        roughly: what comes before a number that is only near.
        things: what a number counts, so that it is no year.
        between: what joins the two ends of a range, or the last of a list.
        better, worse: what says that a network is ahead of others, or behind them.
        but: what follows such a word without making it a comparison of networks: the best epoch.
        chance: what is no network, and yet compared with one.
        not_: what turns a comparison into its denial.
        other: what is compared and is no accuracy.
        ideas: by the beginning of a word, the words that names in the evidence are made of.
    """

    units: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)
    epoch: str = ""
    named: str = ""
    interval: str = ""
    year: str = ""
    roughly: str = ""
    things: str = ""
    between: str = ""
    better: str = ""
    worse: str = ""
    but: str = ""
    chance: str = ""
    not_: str = ""
    other: str = ""
    ideas: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def known(self) -> bool:
        """Whether there are words at all."""
        return bool(self.named)

    def ideas_of(self, text: str) -> set[str]:
        """Words of the evidence's names that a text speaks of, by its own words."""
        found: set[str] = set()
        for word in re.findall(r"[^\W\d_]{3,}", text.lower()):
            for length in range(min(len(word), 12), 2, -1):
                if word[:length] in self.ideas:
                    found.update(self.ideas[word[:length]].split())
                    break
        return found


_IDEAS_EN = {
    **{word: word for word in (
        "test", "validation", "seed", "patience", "momentum", "warmup", "weight", "decay", "chance", "majority", "top",
        "probability", "calibration", "confidence", "dense", "block", "filter", "layer", "channel", "memory", "depth",
        "highest", "lowest", "worst", "best", "first", "last", "trial", "fold", "mean", "median", "uniform", "linear",
        "leak", "duplicate", "side", "width", "height", "planned", "requested", "error", "unit", "share", "step",
    )},
    "trial": "trial trials", "train": "train training", "images": "images image", "image": "images image", "class": "classes class",
    "accura": "accuracy test", "loss": "loss", "epoch": "epoch epochs", "parameter": "parameters", "weights": "parameters weights",
    "gap": "gap", "differen": "difference gap", "above": "gap above", "overfit": "gap", "time": "time seconds times",
    "took": "time", "takes": "time", "lasted": "time", "minute": "time", "hour": "time", "second": "time",
    "speed": "speed", "batch": "batch", "mini": "batch", "rate": "rate", "learning": "learning", "core": "cores",
    "deviation": "deviation", "average": "mean", "filters": "filters", "convol": "convolutions", "multipl": "adds work",
    "confus": "confused count confusions", "mistake": "mistakes", "wrong": "wrong mistakes", "guess": "chance",
    "random": "chance uniform", "times": "times ratio over", "layers": "weighted layers", "seeds": "seeds seed",
    "updates": "updates", "steps": "steps", "memor": "memory bytes", "linear": "linear",
    "validat": "validation val", "fold": "folds fold", "duplic": "duplicates", "copies": "leaks total", "copy": "leaks",
    "probabil": "probability p", "neuron": "units", "dense": "dense fc", "network": "networks", "sure": "confidence sure",
}  # fmt: skip

_IDEAS_ES = {
    "exactit": "accuracy test", "acierto": "accuracy test", "aciert": "accuracy test", "precisi": "accuracy",
    "test": "test", "prueba": "test", "validac": "validation val", "entrenam": "train training time", "entrena": "train training",
    "pérdida": "loss", "época": "epoch epochs", "parámet": "parameters", "pesos": "parameters weights",
    "imagen": "images image", "imágen": "images image", "clase": "classes class", "brecha": "gap",
    "diferenc": "difference gap", "sobreaj": "gap", "encima": "gap above", "tiempo": "time seconds", "tard": "time",
    "tomó": "time", "tomaron": "time", "duró": "time", "duraro": "time", "duraci": "time", "minuto": "time", "hora": "time", "segundo": "time", "velocid": "speed",
    "lote": "batch", "batch": "batch", "tasa": "rate", "aprendiz": "learning", "semilla": "seed seeds",
    "pacienc": "patience", "momento": "momentum", "momentum": "momentum", "calentam": "warmup", "decaim": "decay",
    "desviac": "deviation", "media": "mean", "mediant": "", "mediana": "median", "promedio": "mean", "filtro": "filters", "convoluc": "convolutions",
    "canal": "channel", "capa": "layers weighted", "capacid": "", "densa": "dense fc", "bloque": "block", "multipli": "adds work",
    "confun": "confused count confusions", "confusi": "confusions confused", "error": "error mistakes top",
    "azar": "chance uniform", "mayorit": "majority", "frecuent": "majority", "mejor": "best highest", "peor": "worst lowest",
    "primer": "first", "último": "last", "última": "last", "memoria": "memory bytes", "núcleo": "cores",
    "confianz": "confidence sure", "probabil": "probability p", "calibrac": "calibration", "intento": "trials trial",
    "ensayo": "trials trial", "pliegue": "folds fold", "lineal": "linear", "veces": "times ratio over",
    "paso": "steps", "actualiz": "updates", "ancho": "width", "alto": "height", "lado": "side size", "copia": "leaks total",
    "duplicad": "duplicates", "neurona": "units", "planific": "planned", "pidieron": "requested", "redes": "networks",
    "máxima": "highest best", "mínima": "lowest",
}  # fmt: skip

_WORDS: Mapping[str, Words] = {
    "en": Words(
        units={
            "percent": r"per\s?cent\b", "points": r"(?:percentage[\s-])?points?\b|p\.p\.", "hours": r"hours?\b|hrs?\b",
            "minutes": r"minutes?\b|mins?\b", "seconds": r"seconds?\b|secs?\b", "ratio": r"times\b",
            "pixels": r"pixels?\b", "speed": r"images?\s(?:per|a)\ssecond\b|images?/s\b",
        },
        scales={"million": 1e6, "millions": 1e6, "billion": 1e9, "billions": 1e9, "thousand": 1e3},
        epoch=r"epochs?",
        named=r"figures?|figs?\.|tables?|listings?|parts?|activit(?:y|ies)|blocks?|layers?|stages?|sections?|chapters?"
        r"|equations?|questions?|versions?|classe?s?|digits?|labels?|pages?|fold|trial|phases?",
        interval=r"intervals?|confidence|wilson|newcombe|student",
        year=r"in|since|from|between|until|of|by|and|to|year",
        roughly=r"about|around|almost|nearly|roughly|approximately|some|over|under|more\sthan|less\sthan|close\sto|~|≈",
        things=r"images?|param\w+|weights?|units?|classes|filters?|channels?|epochs?|steps?|updates?|neurons?|samples?",
        between=r"and|to|or|through",
        better=r"better|best|higher|highest|superior|outperform(?:s|ed|ing)?|beat(?:s|en|ing)?|surpass(?:es|ed|ing)?"
        r"|exceed(?:s|ed|ing)?|wins?|won|more\s(?:accurate|precise)|most\saccurate|ahead\sof",
        worse=r"worse|worst|lower|lowest|inferior|less\s(?:accurate|precise)|least\saccurate|loses?\sto|lost\sto|behind",
        but=r"epochs?|classe?s?|trials?|seeds?|folds?|weights|checkpoint|validation\sloss",
        chance=r"chance|guess(?:es|ing)?|random|constant|linear|human|frequent|before|paper|published",
        not_=r"not|no|neither|nor|never|cannot|hardly|n't",
        other=r"parameters?|weights?|layers?|deeper|depth|time|faster|slower|speed|memory|cost|filters?|loss|arithmetic|errors?",
        ideas=_IDEAS_EN,
    ),
    "es": Words(
        units={
            "percent": r"por\sciento\b", "points": r"puntos?(?:\sporcentual(?:es)?)?\b|p\.\s?p\.", "hours": r"horas?\b",
            "minutes": r"minutos?\b", "seconds": r"segundos?\b|seg\b", "ratio": r"veces\b", "pixels": r"p[ií]xel(?:es)?\b",
            "speed": r"im[aá]genes\spor\ssegundo\b|im[aá]genes/s\b",
        },
        scales={"millón": 1e6, "millones": 1e6, "mil millones": 1e9, "mil": 1e3},
        epoch=r"épocas?",
        named=r"figuras?|figs?\.|tablas?|cuadros?|listados?|partes?|actividad(?:es)?|bloques?|capas?|etapas?|secci(?:ón|ones)"
        r"|cap[ií]tulos?|ecuaci(?:ón|ones)|preguntas?|versi(?:ón|ones)|clases?|d[ií]gitos?|etiquetas?|p[aá]ginas?|pliegue"
        r"|intento|ensayo|fases?",
        interval=r"intervalos?|confianza|wilson|newcombe|student",
        year=r"en|desde|entre|hasta|de|del|y|a|año",
        roughly=r"unos|unas|casi|cerca\sde|alrededor\sde|aproximadamente|en\storno\sa[l]?|más\sde|menos\sde|~|≈",
        things=r"im[aá]genes|par[aá]metros|pesos|neuronas|clases|filtros|canales|épocas|pasos|actualizaciones|ejemplos",
        between=r"y|a|o|al|hasta",
        better=r"mejor(?:es)?|supera(?:n|ba|ban|ron|do)?|superó|superior(?:es)?|aventaja(?:n|ron)?|vence(?:n)?|venció|gana(?:n|ron)?"
        r"|ganó|más\s(?:exactas?|precisas?|acertadas?)|(?:mayor(?:es)?|más)\s(?:exactitud|precisión|acierto|aciertos)",
        worse=r"peor(?:es)?|inferior(?:es)?|menos\s(?:exactas?|precisas?|acertadas?)"
        r"|(?:menor(?:es)?|menos)\s(?:exactitud|precisión|acierto|aciertos)|pierde(?:n)?",
        but=r"épocas?|clases?|intentos?|ensayos?|semillas?|pliegues?|pesos|pérdida\sde\svalidación",
        chance=r"azar|constante|lineal|human[oa]s?|frecuente|antes|artículo|publicad[oa]s?",
        not_=r"no|ni|nunca|tampoco|apenas",
        other=r"parámetros?|pesos|capas?|profund\w+|tiempo|rápid\w+|lent\w+|velocidad|memoria|costo|coste|filtros?|pérdida|errores|error",
        ideas=_IDEAS_ES,
    ),
}  # fmt: skip


@lru_cache
def words_of(code: str) -> Words:
    """The words of a language (`es`, `es-CL`); none for a language that is not known here."""
    return _WORDS.get(code.partition("-")[0].partition("_")[0].lower(), Words())
