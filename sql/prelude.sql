\echo Use "CREATE EXTENSION callhardening" to load this file. \quit
