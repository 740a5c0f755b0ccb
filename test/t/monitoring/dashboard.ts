// The types that the dashboard has to have. test/t/monitoring/dashboard.pl puts the dashboard behind them.
import type { Dashboard, GraphFieldConfig } from '@grafana/schema';
import type { Options as heatmap } from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type { Options as stat } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as table } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type { Options as timeseries } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// In JSON a value of an enumeration is its text.
type Json<T> = T extends string ? `${T}` : T extends (infer U)[] ? Json<U>[] : T extends object ? { [K in keyof T]: Json<T[K]> } : T;

type Options = { heatmap: Partial<heatmap>; stat: stat; table: table; timeseries: timeseries };
type Custom = { heatmap: object; stat: object; table: object; timeseries: Json<GraphFieldConfig> };

export type Whole = Json<Dashboard>;
// What the type of a panel decides on
export type Part<K extends keyof Options> = { options: Json<Options[K]>; custom: Custom[K] };
