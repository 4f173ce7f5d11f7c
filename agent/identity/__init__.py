"""Who the agent is to its controller: enrolment, certificate, renewal."""
