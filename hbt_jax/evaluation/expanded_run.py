"""The evaluation with query expansions beside the one without: OUT/X without, OUT/expanded/X with."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from hbt_jax.config import CONCAT
from hbt_jax.evaluation.benchmarks.benchmark import Benchmark
from hbt_jax.evaluation.embedding.embed import Embedder
from hbt_jax.evaluation.embedding.query_expansion import Expansions, embed_expanded
from hbt_jax.evaluation.results.results import with_part, write_json
from hbt_jax.evaluation.run import RESULTS
from hbt_jax.evaluation.statistics.expansion_effect import EFFECT, EFFECT_DEFINITION, with_and_without

EXPANDED = "expanded"


@dataclasses.dataclass
class ExpandedRun:
    """One benchmark with its query expansions.

    Attributes:
      benchmark: the benchmark, with a note on its expansions.
      query_QD: float32 embeddings of its queries with their expansions.
      settings, counts: of the expansions, for results.json.
    """

    benchmark: Benchmark
    query_QD: np.ndarray
    settings: dict[str, object]
    counts: dict[str, int]
    _expansions: Expansions

    @classmethod
    def embedded(
        cls, benchmark: Benchmark, expansions: Expansions, combination: str, embedder: Embedder, query_QD: np.ndarray
    ) -> "ExpandedRun":
        """Embeds the expanded queries; `query_QD` are the embeddings without."""
        cut_before = embedder.truncated
        expanded_QD = embed_expanded(embedder, benchmark.queries.texts, query_QD, expansions, combination)
        settings: dict[str, object] = {"expansion_combination": combination}
        if combination == CONCAT:
            settings["expanded_query_length"] = embedder.model.text.longest
        counts = {
            "expanded_queries": len(expansions),
            "queries_without_expansion": len(benchmark.queries) - len(expansions),
            "expansion_texts": sum(map(len, expansions.values())),
            "truncated_expansions": embedder.truncated - cut_before,
        }
        note = (
            f"query expansions ({combination}): {counts['expanded_queries']:,} queries with"
            f" {counts['expansion_texts']:,} texts, {counts['queries_without_expansion']:,} without any, ranked as they"
            f" are; {counts['truncated_expansions']:,} texts cut"
        )
        noted = dataclasses.replace(benchmark, notes=(*benchmark.notes, note))
        return cls(noted, expanded_QD, settings, counts, expansions)

    def with_effect(self, without: dict, expanded: dict, out: str) -> dict:
        """Adds to the results with expansions what they changed, and writes them again.

        Args:
          without, expanded: contents of OUT/X/results.json and OUT/expanded/X/results.json.
          out: OUT.

        Returns:
          The new content of OUT/expanded/X/results.json.
        """
        folders = [Path(out) / self.benchmark.name, Path(out) / EXPANDED / self.benchmark.name]
        effect = with_and_without(self.benchmark, self._expansions, (folders[0], without), (folders[1], expanded))
        expanded = with_part(expanded, EFFECT, effect, EFFECT_DEFINITION)
        write_json(os.path.join(folders[1], RESULTS), expanded)
        return expanded


def format_effect(expanded: dict) -> str:
    """mAP with and without expansions, by length and script, for a terminal."""
    effect = expanded[EFFECT]
    lines = [f"  {'mAP of queries with expansions':34}{'setting':16}{'queries':>9}{'without':>10}{'with':>10}"]
    blocks = {"all": effect["by_setting"]}
    blocks |= {f"{name} quarter": block for name, block in effect["by_query_length"].items()}
    blocks |= {f"{name} script": {"cross_lingual": cell} for name, cell in effect["by_script"].items()}
    for name, block in blocks.items():
        for setting in effect["by_setting"]:
            if setting in block:
                cell = block[setting]
                lines.append(
                    f"    {name:32}{setting.replace('_', '-'):16}{cell['queries']:9,}{cell['without']:10.4f}"
                    f"{cell['with']:10.4f}"
                )
    return "\n".join(lines)
