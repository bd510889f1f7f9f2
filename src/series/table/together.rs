//! Many series of one name, registered together.
#![forbid(unsafe_code)]

use super::{Request, Table};
use crate::series::error::RegisterError;
use crate::series::handle::Metric;
use crate::series::labels::{LabelList, LabelSet};
use crate::series::name::check_name;
use crate::store::Exhausted;
use crate::sync;

impl Table {
    /// The handles of the series that have these labels and those of `request`, in their order. What does
    /// not exist is made: all of it or nothing. A collector sees all of it at once.
    ///
    /// The handles of scalars lie side by side if none of the series existed. Of such series none leaves,
    /// since the count of the handles is that of all.
    pub(crate) fn register_together<M: Metric>(
        &self,
        request: &Request<'_>,
        labels: impl ExactSizeIterator<Item = LabelList>,
    ) -> Result<Vec<M>, RegisterError> {
        let registered = self.find_or_make_together(request, labels);
        registered.inspect_err(|error| self.refusals.add(error.clone()))
    }

    fn find_or_make_together<M: Metric>(
        &self,
        request: &Request<'_>,
        labels: impl ExactSizeIterator<Item = LabelList>,
    ) -> Result<Vec<M>, RegisterError> {
        check_name(request.name)?;
        let mut all_labels = Vec::with_capacity(labels.len());
        for mut labels in labels {
            labels.append(&request.labels);
            let labels = labels.into_set()?;
            all_labels.push((self.hash(&labels), labels));
        }

        let mut names = sync::lock(&self.names);
        let known = names.families.get(request.name);
        known.map_or(Ok(()), |family| family.agrees_with::<M>(request))?;
        let exists = |(hash, labels): &&(u64, LabelSet)| {
            known.is_some_and(|family| family.members.get(*hash, labels).is_some())
        };
        let missing = all_labels.len() - all_labels.iter().filter(exists).count();
        if missing > self.limit.saturating_sub(names.series) {
            return Err(RegisterError::RegistryFull { limit: self.limit });
        }
        let (shared, unit) = (request.shared, request.unit);
        let new = if missing == all_labels.len() {
            M::create_all(&self.store, missing, shared, unit)
        } else {
            // One by one, so that runs of cells have the lengths of families and no others.
            (0..missing).map(|_| M::create(&self.store, shared, unit)).collect()
        };
        let mut new = new
            .map_err(|Exhausted { bytes }| RegisterError::OutOfAddressSpace { bytes })?
            .into_iter();

        let mut series = Vec::with_capacity(missing);
        let mut handles = Vec::with_capacity(all_labels.len());
        for (hash, labels) in all_labels {
            let known = names.families.get(request.name);
            // It may also be one of these, where two have the same labels.
            let existing = known.and_then(|family| family.members.get(hash, &labels));
            handles.push(match existing {
                Some(series) => series.revived(),
                None => {
                    let metric = new.next().expect("there is one for each that was missing");
                    series.push(names.insert(request, labels, hash, &metric));
                    metric
                }
            });
        }
        sync::lock(&self.new).append(&mut series);
        Ok(handles)
    }
}
