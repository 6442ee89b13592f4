"""Sets the forecasts of bench/forecast.ts beside statsforecast on the same origins: forecast_peers.py SERIES.json OUT.json
Needs: pip install statsforecast pandas. Prints the mean absolute scaled error of each method, lower is better."""
import json
import sys
import warnings

import numpy as np
import pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import MSTL, AutoETS, AutoTheta, DynamicOptimizedTheta, SeasonalNaive

warnings.filterwarnings("ignore")
HISTORY, AHEAD = 91, 7
series, ours = (json.load(open(path)) for path in sys.argv[1:3])
for name, values in series.items():
    frames, truth, scale, mine = [], {}, {}, {}
    for row in ours[name]:
        origin = row["origin"]
        days = values[origin:origin + AHEAD]
        if any(day is None for day in days):
            continue
        known = pd.Series(values[max(0, origin - HISTORY):origin], dtype=float)
        known = known.fillna(known.shift(7)).interpolate().bfill().values
        truth[origin], mine[origin] = np.array(days), np.array([p["count"] for p in row["points"]])
        scale[origin] = np.mean(np.abs(known[7:] - known[:-7]))
        dates = pd.date_range("2020-01-01", periods=len(known))
        frames.append(pd.DataFrame({"unique_id": origin, "ds": dates, "y": known}))
    models = [SeasonalNaive(7), AutoETS(season_length=7), DynamicOptimizedTheta(season_length=7), AutoTheta(season_length=7),
              MSTL(season_length=[7])]
    theirs = StatsForecast(models=models, freq="D", n_jobs=1).forecast(df=pd.concat(frames), h=AHEAD)

    def mase(predicted):
        return round(float(np.mean([np.mean(np.abs(predicted[o] - truth[o])) / max(scale[o], 1e-9) for o in truth])), 3)

    errors = {"Tidemark": mase(mine)}
    for column in theirs.columns.difference(["unique_id", "ds"]):
        errors[column] = mase({origin: rows[column].values for origin, rows in theirs.groupby("unique_id")})
    print(name, len(truth), "origins", errors)
