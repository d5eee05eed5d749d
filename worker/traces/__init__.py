"""Traces: other folders use `interface` alone; the modules that need OpenTelemetry are loaded when traces are on."""
