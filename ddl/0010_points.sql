-- Why: a map shows a city at its own place. Rows keep names alone, so the coordinates of each named place are kept once, as the address file
-- had them when the place was first met. Nothing on the way of an event reads or writes them.

create table place_point (
  country_code text not null,
  region       text not null,
  city         text not null,
  latitude     real not null check (latitude between -90 and 90),
  longitude    real not null check (longitude between -180 and 180),
  primary key (country_code, region, city)
);
comment on table place_point is 'Coordinates of cities, as the address file had them when the city was first met.';
comment on column place_point.country_code is 'ISO 3166-1 alpha-2, as in the rows.';
comment on column place_point.region is 'Region as in the rows; empty where it is not known.';
comment on column place_point.city is 'City as in the rows; never empty.';
comment on column place_point.latitude is 'Degrees north.';
comment on column place_point.longitude is 'Degrees east.';
