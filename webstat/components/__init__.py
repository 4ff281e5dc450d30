"""The bricks of pages: functions from values to Dash components, without callbacks."""
