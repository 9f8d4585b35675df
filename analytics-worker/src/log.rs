//! The topics that the worker reads and writes, and where their partitions end.

use runtime::Common;
use runtime::kafka::Ends;
use schemas::Topic;

use crate::fault::Fault;

/// A topic and how many partitions it has.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) kind: Topic,
    pub(crate) prefix: String,
    /// Its name with the deployment's prefix, such as `till.receipts`.
    pub(crate) topic: String,
    pub(crate) partitions: i32,
}

impl Log {
    pub(crate) fn new(kind: Topic, common: &Common) -> Self {
        let prefix = common.topic_prefix.clone();
        Self { kind, topic: kind.name(&prefix), prefix, partitions: common.partitions }
    }

    /// The high watermark of each partition: past every record acknowledged so far, whether or not its
    /// transaction has ended.
    pub(crate) fn high_watermarks(&self, asker: &Ends) -> Result<Vec<i64>, Fault> {
        let mut found = asker
            .ask(&[(&self.topic, self.partitions)])
            .map_err(Fault::kafka("asking for the end of a topic"))?;
        let end = |partition| found.remove(&(self.topic.clone(), partition));
        (0..self.partitions).map(end).collect::<Option<Vec<_>>>().ok_or_else(|| {
            Fault::Inconsistent(format!("{} has fewer partitions than TILL_PARTITIONS", self.topic))
        })
    }
}
