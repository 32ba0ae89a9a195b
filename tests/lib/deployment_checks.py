"""What must hold of all deployments and events, whatever was killed meanwhile: checks for tests
that have self.sql(text), which returns rows as lists of strings."""
import json

from sitewire_test import wait_for


def heard(watch):
    """The events that a process `sitewire watch --json` has printed; a line may be unfinished."""
    return [json.loads(line) for line in watch.output().splitlines() if line.startswith("{") and line.endswith("}")]


class DeploymentChecks:
    def check_in_order(self):
        """One after the other on each docroot environment; nothing runs any more."""
        self.assertEqual(self.sql("SELECT * FROM deployment.deployment_command_result WHERE finished_at IS NULL"), [])
        self.assertEqual(self.sql("""SELECT a.id, b.id FROM deployment.deployment a JOIN deployment.deployment b
                                     ON a.docroot = b.docroot AND a.id < b.id AND a.started_at IS NOT NULL AND b.started_at IS NOT NULL
                                     AND a.finished_at > b.started_at"""), [])

    def check_registry(self, docroots, before):
        """What is deployed is what the last one that is DONE says."""
        for docroot in docroots:
            last = self.sql(f"SELECT version FROM deployment.deployment WHERE docroot = '{docroot}' AND status = 'DONE' "
                            "ORDER BY finished_at DESC LIMIT 1")
            found = self.sql(f"SELECT website_version FROM referential.website_deployed WHERE docroot = '{docroot}'")
            self.assertEqual(found, last or [[before]], docroot)

    def check_output_whole(self):
        """Output has no gaps."""
        self.assertEqual(self.sql("""SELECT deployment FROM (SELECT deployment, "offset", lag("offset" + octet_length(bytes), 1, 0::bigint)
                                     OVER (PARTITION BY deployment ORDER BY "offset") AS wanted FROM deployment.deployment_log) x
                                     WHERE "offset" <> wanted"""), [])

    def check_events(self, watch):
        """Gapless in each project; the watcher heard each once, in order."""
        wait_for(lambda: self.sql("SELECT count(*) FROM deployment.outbox")[0][0] == "0", "the relay")
        self.assertEqual(self.sql("""SELECT project FROM (SELECT project, project_sequence, row_number() OVER (PARTITION BY project
                                     ORDER BY position) AS wanted FROM deployment.event) x WHERE project_sequence <> wanted"""), [])
        wanted = [int(row[0]) for row in self.sql("SELECT position FROM deployment.event ORDER BY position")]
        wait_for(lambda: len(heard(watch)) >= len(wanted), "the watcher", 120)
        self.assertEqual(sorted(int(event["position"]) for event in heard(watch)), wanted)
        by_project = {}
        for event in heard(watch):
            by_project.setdefault(event["project"], []).append(int(event["project_sequence"]))
        for project, sequence in by_project.items():
            self.assertEqual(sequence, list(range(1, len(sequence) + 1)), project)
