"""How long runs and model loads take, learned from runs as they end."""

from comfypipe.backends.comfyui.scheduler import Costs, Models

_WEIGHT = 0.3  # of the newest observation
_KEPT = 1000
_UNKNOWN = Costs()


class LearnedCosts:
    """Averages in which the newest runs weigh most. A load is what a run on other models takes longer than the next."""

    def __init__(self) -> None:
        self._run_s: dict[Models, float] = {}
        self._cold_s: dict[Models, float] = {}
        self._load_s: float | None = None

    def observe(self, models: Models, seconds: float, *, cold: bool) -> None:
        """Take in a run; *cold* when its models had to be loaded."""
        if cold and models not in self._run_s:
            self._cold_s[models] = seconds  # what of it was loading, the next run will tell
        elif cold:
            self._observe_load(seconds - self._run_s[models])
        else:
            before = self._run_s.get(models, seconds)
            self._run_s[models] = before + _WEIGHT * (seconds - before)
            if models in self._cold_s:
                self._observe_load(self._cold_s.pop(models) - seconds)
        for kept in (self._run_s, self._cold_s):
            if len(kept) > _KEPT:
                del kept[next(iter(kept))]

    def costs(self) -> Costs:
        """Return what is known now."""
        guess_s = sum(self._run_s.values()) / len(self._run_s) if self._run_s else _UNKNOWN.guess_s
        return Costs(_UNKNOWN.load_s if self._load_s is None else self._load_s, self._run_s, guess_s)

    def _observe_load(self, seconds: float) -> None:
        before = seconds if self._load_s is None else self._load_s
        self._load_s = max(0.0, before + _WEIGHT * (seconds - before))
